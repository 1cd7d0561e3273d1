/** The one clock. Tests and demos move it by CF_CLOCK_OFFSET_MS (whole milliseconds); production refuses that variable. */
export function nowMs(): number {
  const offset = $os.getenv("CF_CLOCK_OFFSET_MS")
  return Date.now() + (offset === "" ? 0 : Number(offset))
}

/** UTC milliseconds → PocketBase's date format, which sorts as text. */
export function dbTime(ms: number): string {
  return new Date(ms).toISOString().replace("T", " ")
}

export function fromDbTime(text: string): number {
  return Date.parse(text.replace(" ", "T"))
}

/** 00:00 local time of a date in an IANA zone. An unknown zone silently becomes UTC in the host: see validZone. */
export function localMidnight(timezone: string): (date: string) => number {
  const zone = timezone === "" ? "Europe/Berlin" : timezone
  return (date) => {
    const midnight = new DateTime(`${date} 00:00:00`, zone).unix() * 1000
    // Where the clock skips midnight (Havana in spring) the host names 23:00 of the day before: the day begins at 01:00.
    const before = new Date(Date.parse(`${date}T00:00:00Z`) - 3_600_000).toISOString().slice(0, 10)
    const skipped = new DateTime(`${before} 23:00:00`, zone).unix() * 1000 === midnight
    return skipped ? midnight + 3_600_000 : midnight
  }
}

/** True if the host knows the zone: an unknown one answers like UTC on every date, which real zones do only if they are UTC. */
export function validZone(timezone: string): boolean {
  if (timezone === "" || timezone === "UTC" || timezone.startsWith("Etc/")) return true
  const differs = (date: string) =>
    new DateTime(`${date} 00:00:00`, timezone).unix() !== new DateTime(`${date} 00:00:00`, "UTC").unix()
  return differs("2026-01-15") || differs("2026-07-15")
}
