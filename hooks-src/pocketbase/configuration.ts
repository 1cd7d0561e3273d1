/** Configuration, read once per start. Every problem is listed at once; in production any of them stops the start. */

export interface Configuration {
  production: boolean
  adminEmail: string
  adminPassword: string
}

const MIN_PASSWORD = 12

/** Anything but an explicit development start is production: a forgotten variable must not open the doors. */
export function isProduction(): boolean {
  return $os.getenv("NODE_ENV") !== "development"
}

export function readConfiguration(): { configuration: Configuration; problems: string[] } {
  const production = isProduction()
  const adminEmail = $os.getenv("POCKETBASE_ADMIN_EMAIL")
  const adminPassword = $os.getenv("POCKETBASE_ADMIN_PASSWORD")
  const problems: string[] = []
  if (adminEmail === "") problems.push("POCKETBASE_ADMIN_EMAIL is empty")
  else if (!/^\S+@\S+\.\S+$/.test(adminEmail)) problems.push("POCKETBASE_ADMIN_EMAIL is no e-mail address")
  if (adminPassword === "") problems.push("POCKETBASE_ADMIN_PASSWORD is empty")
  else if (isWeak(adminPassword, adminEmail)) {
    problems.push(
      `POCKETBASE_ADMIN_PASSWORD is weak: at least ${MIN_PASSWORD} characters, 5 of them different, not the e-mail address`,
    )
  }
  if (production) problems.push(...productionProblems())
  return { configuration: { production, adminEmail, adminPassword }, problems }
}

function productionProblems(): string[] {
  const problems: string[] = []
  if ($os.getenv("SECRETS_KEY").length !== 32) problems.push("SECRETS_KEY must have exactly 32 characters")
  const stripe = ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"].filter((name) => $os.getenv(name) === "")
  if (stripe.length === 1) problems.push(`${stripe[0]} is empty: set both Stripe variables or none`)
  if ($os.getenv("CF_CLOCK_OFFSET_MS") !== "") problems.push("CF_CLOCK_OFFSET_MS moves the clock and is for tests only")
  const sync = $os.getenv("CF_SQLITE_SYNCHRONOUS")
  if (sync !== "" && sync !== "FULL")
    problems.push("CF_SQLITE_SYNCHRONOUS must be FULL or unset: anything less can lose acknowledged usage")
  return problems
}

function isWeak(password: string, email: string): boolean {
  return password.length < MIN_PASSWORD || new Set(password.split("")).size < 5 || password === email
}
