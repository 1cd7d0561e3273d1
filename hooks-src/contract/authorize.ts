/** Bodies and codes of identify, authorize and release: what a tenant's gate asks before a call runs. */
import * as v from "valibot"

export type RefusalCode =
  | "budget_exhausted"
  | "model_not_allowed"
  | "model_unpriced"
  | "rate_limited"
  | "too_many_parallel"
  | "user_suspended"
  | "tenant_suspended"
  | "key_revoked"
  | "key_expired"
  | "unknown_identity"

export type RefusalScope = "user" | "tenant" | "api_key" | "model"

export type CallPurpose = "user" | "auxiliary"

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const PRINTABLE = /^[^\u0000-\u001f\u007f]*$/
const id = v.pipe(
  v.string(),
  v.minLength(1, "must not be empty"),
  v.maxLength(128),
  v.regex(PRINTABLE, "must not hold control characters"),
)
const count = (max: number) =>
  v.pipe(v.number(), v.integer("must be a whole number"), v.minValue(0, "must be ≥ 0"), v.maxValue(max))
const TOKENS = 1_000_000_000

/** POST /api/usage/identify: exactly one of the two. */
export const Identify = v.pipe(
  v.object({
    api_key_hash: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, "must be a SHA-256 in hexadecimal"))),
    user: v.optional(v.object({ id: v.optional(id), email: v.optional(v.pipe(v.string(), v.maxLength(255))) })),
  }),
  v.check((body) => (body.api_key_hash === undefined) !== (body.user === undefined), "send either api_key_hash or user"),
  v.check((body) => body.user === undefined || Boolean(body.user.id || body.user.email), "user needs an id or an email"),
)

/** POST /api/usage/authorize. `max_tokens` left out = the product's default; 0 = the call has no output tokens. */
export const Authorize = v.object({
  call_id: id,
  user_id: id,
  api_key_id: v.nullish(id),
  model: id,
  tokens_input_estimate: count(TOKENS),
  max_tokens: v.nullish(count(TOKENS)),
  units_estimate: v.nullish(
    v.object({
      images: v.optional(count(1_000), 0),
      characters: v.optional(count(TOKENS), 0),
      audio_seconds: v.optional(v.pipe(v.number(), v.minValue(0, "must be ≥ 0"), v.maxValue(1_000_000)), 0),
    }),
  ),
  purpose: v.nullish(v.picklist(["user", "auxiliary"])),
})

/** POST /api/usage/release */
export const Release = v.pipe(
  v.object({ hold_id: v.optional(id), call_id: v.optional(id) }),
  v.check((body) => (body.hold_id === undefined) !== (body.call_id === undefined), "send either hold_id or call_id"),
)
