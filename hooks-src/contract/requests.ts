/** Bodies of the small routes, parsed once with valibot (small, tree-shaken, no code generation: it runs in goja). */
import * as v from "valibot"
import { ApiProblem } from "./error-codes"

const reason = v.pipe(v.string(), v.trim(), v.minLength(3, "must say why, in at least 3 characters"), v.maxLength(500))
const amount = v.pipe(
  v.string(),
  v.regex(/^-?\d{1,7}(\.\d{1,9})?$/, 'must be EUR as a decimal string with at most nine places, such as "10.50"'),
)
const isoTime = v.pipe(v.string(), v.isoTimestamp("must be an RFC 3339 time such as 2026-12-01T00:00:00Z"))
const usd = v.pipe(v.string(), v.regex(/^\d{1,9}(\.\d{1,12})?$/, "must be a decimal string in USD ≥ 0"))

const tokenUsd = {
  input: v.optional(usd),
  cache_read: v.optional(usd),
  cache_write: v.optional(usd),
  cache_write_1h: v.optional(usd),
  output: v.optional(usd),
}
const name = (max: number) => v.pipe(v.string(), v.trim(), v.minLength(1, "must not be empty"), v.maxLength(max))
const wholeTokens = v.pipe(v.number(), v.integer(), v.minValue(0))

export const PriceEntry = v.object({
  model: name(200),
  provider: name(100),
  kind: v.picklist(["chat", "embedding", "image", "speech", "transcription", "other"]),
  max_input_tokens: v.optional(wholeTokens, 0),
  max_output_tokens: v.optional(wholeTokens, 0),
  usd: v.object({
    ...tokenUsd,
    image: v.optional(usd),
    second: v.optional(usd),
    mchar: v.optional(usd),
    call: v.optional(usd),
    long_context: v.optional(v.array(v.object({ above_tokens: v.pipe(v.number(), v.integer(), v.minValue(1)), ...tokenUsd }))),
  }),
})

export type PriceEntry = v.InferOutput<typeof PriceEntry>

/** POST /api/prices/publish: upstream prices in USD; the server makes sell prices of them with its rate and markup. */
export const PublishPrices = v.object({
  entries: v.pipe(
    v.array(PriceEntry),
    v.minLength(1, "must hold at least one price"),
    v.maxLength(500, "must hold at most 500 prices"),
  ),
  source: v.optional(v.pipe(v.string(), v.maxLength(300)), ""),
  effective_from: v.optional(isoTime),
  dry_run: v.optional(v.boolean(), false),
})

/** POST /api/budgets/{id}/adjust: `expires` says how long a raise lasts; default: money stays, a limit ends with its period. */
export const AdjustBudget = v.object({
  amount,
  reason,
  expires: v.optional(v.union([v.picklist(["never", "period_end"]), isoTime])),
  idempotency_key: v.optional(name(128)),
})

/** POST /api/tenants/{id}/ingest-keys */
export const CreateIngestKey = v.object({
  name: name(100),
  route: v.optional(v.picklist(["any", "events", "litellm"]), "any"),
})

/** POST /api/ingest-keys/{id}/rotate: the old key keeps working for the overlap. */
export const RotateIngestKey = v.object({
  overlap_hours: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(720)), 24),
})

/** The parsed body, or a 400 that names the first field that is wrong. */
export function parseRequest<S extends v.GenericSchema>(schema: S, body: unknown): v.InferOutput<S> {
  const parsed = v.safeParse(schema, body, { abortEarly: true })
  if (parsed.success) return parsed.output
  const issue = parsed.issues[0]
  const path = v.getDotPath(issue) ?? ""
  throw new ApiProblem("invalid_field", `${path === "" ? "body" : path}: ${issue.message}`, { path })
}
