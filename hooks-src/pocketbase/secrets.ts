/** Secrets that must be used again (SCIM tokens, bundles): AES-256-GCM under SECRETS_KEY, which is never in a backup. */
import { isProduction } from "./configuration"

/**
 * In development a missing SECRETS_KEY is this published text, so that a demo starts without a setting and survives restarts.
 * It protects nothing. Production does not start without a key of its own (configuration.ts), and here it throws.
 */
const DEVELOPMENT_KEY = "cloudfreedom-development-key-32c"

function secretsKey(): string {
  const key = $os.getenv("SECRETS_KEY")
  if (key !== "") return key
  if (isProduction()) throw new Error("SECRETS_KEY is empty: secrets can be neither stored nor read")
  return DEVELOPMENT_KEY
}

export function seal(value: unknown): string {
  return $security.encrypt(JSON.stringify(value), secretsKey())
}

/** Nonce (12 bytes) and tag (16) of the shortest text, in base64. */
const SHORTEST_SEALED = 40

/** What was sealed. Throws if the text was changed or was sealed under another key; the message holds no part of the secret. */
export function unseal<T>(sealed: string): T {
  // A text shorter than a nonce makes the host panic, which no catch here could stop and which would end the process in a cron.
  if (sealed.length < SHORTEST_SEALED) throw new Error("a stored secret cannot be read: it is cut off")
  let opened: string
  try {
    opened = $security.decrypt(sealed, secretsKey()) as string
  } catch {
    throw new Error("a stored secret cannot be read: SECRETS_KEY is not the key that it was stored with")
  }
  return JSON.parse(opened) as T
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/** 43 characters of 62 are 256 bits: for codes and tokens, of which only the hash is stored. */
export function newSecret(): string {
  return $security.randomStringWithAlphabet(43, ALPHABET)
}
