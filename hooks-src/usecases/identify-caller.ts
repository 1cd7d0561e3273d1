import type { RefusalCode } from "../contract/authorize"
import type { GateFacts } from "../domain/call-facts"
import { intersectModels, readModelList } from "../domain/model-access"
import { refuseIdentity } from "../domain/refusal"
import { dbTime, fromDbTime, nowMs } from "../pocketbase/clock"
import { touchApiKey } from "../pocketbase/stores/api-keys"
import { identityOfChatUser, identityOfKey, type StoredIdentity, type StoredKeyIdentity } from "../pocketbase/stores/gate-facts"
import type { IngestKey } from "../pocketbase/stores/ingest-keys"

/** How long the sender may remember the answer; every call is authorized afresh all the same. */
const TTL_S = 30
/** Precise enough for "is this key still in use?", without a write for every question. */
const LAST_USED_EVERY_MS = 60_000

export interface KnownCaller {
  known: true
  user_id: string
  email: string
  api_key_id?: string
  api_key_name?: string
  status: "active"
  /** `["*"]` = every model, `[]` = none. */
  models: string[]
  rate_limit: number | null
  max_parallel: number | null
  ttl: number
}

export interface UnknownCaller {
  known: false
  code: RefusalCode
  message: string
}

/** Who is behind this key? The key's text never leaves the tenant's LiteLLM, only its SHA-256. */
export function identifyKey(ingest: IngestKey, hash: string): KnownCaller | UnknownCaller {
  const key = identityOfKey($app, ingest.tenantId, hash)
  const answer = identify(ingest, key?.user ?? null, key)
  const now = nowMs()
  if (answer.known && key && (key.lastUsed === "" || now - fromDbTime(key.lastUsed) > LAST_USED_EVERY_MS)) {
    touchApiKey($app, key.id, dbTime(now))
  }
  return answer
}

/** Who is behind this account of the tenant's chat? The caller has verified the chat's signature. */
export function identifyChatUser(ingest: IngestKey, chatUserId: string, email: string): KnownCaller | UnknownCaller {
  return identify(ingest, identityOfChatUser($app, ingest.tenantId, chatUserId, email.trim().toLowerCase()), null)
}

function identify(ingest: IngestKey, user: StoredIdentity | null, key: StoredKeyIdentity | null): KnownCaller | UnknownCaller {
  const facts: Pick<GateFacts, "nowMs" | "tenant" | "user" | "key"> = {
    nowMs: nowMs(),
    tenant: { id: ingest.tenantId, status: user?.tenantStatus ?? "" },
    user: user && { status: user.status, product: null },
    key: key ? { ...key, expiresAtMs: key.expiresAt === "" ? null : fromDbTime(key.expiresAt) } : undefined,
  }
  const refusal = refuseIdentity(facts)
  if (refusal || !user) {
    return { known: false, code: refusal?.code ?? "unknown_identity", message: refusal?.message ?? "Nobody is known by this." }
  }
  const product = readModelList(user.product?.models)
  return {
    known: true,
    user_id: user.id,
    email: user.email,
    ...(key ? { api_key_id: key.id, api_key_name: key.name } : {}),
    status: "active",
    models: key ? intersectModels(product, readModelList(key.models)) : product,
    rate_limit: user.product?.rateLimit || null,
    max_parallel: smallest(user.product?.maxParallel, key?.maxParallel),
    ttl: TTL_S,
  }
}

/** The smaller of two limits of which 0 and undefined mean none. */
function smallest(...limits: (number | undefined)[]): number | null {
  const set = limits.filter((limit): limit is number => limit !== undefined && limit > 0)
  return set.length === 0 ? null : Math.min(...set)
}
