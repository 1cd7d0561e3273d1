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

/** POST /api/ingest-keys/{id}/rotate and /api/keys/{id}/rotate: the old key keeps working for the overlap. */
export const RotateKey = v.object({
  overlap_hours: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(720)), 24),
})

const keyLimit = v.pipe(
  v.string(),
  v.regex(/^\d{1,7}(\.\d{1,9})?$/, 'must be EUR as a decimal string with at most nine places, such as "10.00"'),
)
/** A name that is shown and matched: what nobody sees in it would make two keys, or two models, look the same. */
const visibleName = (max: number) =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
  v.pipe(name(max), v.regex(/^[^\u0000-\u001f\u007f]*$/, "must not hold control characters"))
const modelList = v.pipe(
  v.array(visibleName(128)),
  v.minLength(1, 'must name at least one model; ["*"] means all'),
  v.maxLength(100, "must name at most 100 models"),
)
const parallel = v.pipe(v.number(), v.integer("must be a whole number"), v.minValue(1), v.maxValue(10_000))

/** POST /api/keys: `limit` is EUR a period; null or left out = none of its own, never expires, as many calls as the product. */
export const CreateApiKey = v.object({
  name: visibleName(100),
  models: v.optional(modelList, ["*"]),
  limit: v.nullish(keyLimit, null),
  expires_at: v.nullish(isoTime, null),
  max_parallel: v.nullish(parallel, null),
  user_id: v.nullish(name(128), null),
})

/** POST /api/keys/{id}/update: what is left out stays, null takes away. */
export const UpdateApiKey = v.pipe(
  v.object({
    name: v.optional(visibleName(100)),
    models: v.optional(modelList),
    limit: v.nullish(keyLimit),
    expires_at: v.nullish(isoTime),
    max_parallel: v.nullish(parallel),
  }),
  v.check(
    (changes) => Object.values(changes).some((value) => value !== undefined),
    "must change name, models, limit, expires_at or max_parallel",
  ),
)

export type CreateApiKey = v.InferOutput<typeof CreateApiKey>
export type UpdateApiKey = v.InferOutput<typeof UpdateApiKey>

/** The parsed body, or a 400 that names the first field that is wrong. */
export function parseRequest<S extends v.GenericSchema>(schema: S, body: unknown): v.InferOutput<S> {
  const parsed = v.safeParse(schema, body, { abortEarly: true })
  if (parsed.success) return parsed.output
  const issue = parsed.issues[0]
  const path = v.getDotPath(issue) ?? ""
  throw new ApiProblem("invalid_field", `${path === "" ? "body" : path}: ${issue.message}`, { path })
}
