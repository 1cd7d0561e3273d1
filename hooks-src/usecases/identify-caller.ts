import type { RefusalCode } from "../contract/authorize"
import type { Refusal } from "../domain/call-facts"
import { intersectModels, readModelList } from "../domain/model-access"
import { refuseIdentity, refuseUnknown } from "../domain/refusal"
import { languageOf } from "../domain/refusal-sentences"
import { dbTime, fromDbTime, nowMs } from "../pocketbase/clock"
import { touchApiKey } from "../pocketbase/stores/api-keys"
import {
  identityOfChatUser,
  identityOfKey,
  languageOfTenant,
  type StoredIdentity,
  type StoredKeyIdentity,
} from "../pocketbase/stores/gate-facts"
import type { IngestKey } from "../pocketbase/stores/ingest-keys"
import { noteRefusal } from "../pocketbase/stores/refusals"

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
  if (!key) return unknown(refuseUnknown("api_key", languageOf("", true)))
  const now = nowMs()
  const answer = identify(ingest, key.user, key, now)
  if (answer.known && (key.lastUsed === "" || now - fromDbTime(key.lastUsed) > LAST_USED_EVERY_MS)) {
    touchApiKey($app, key.id, dbTime(now))
  }
  return answer
}

/** Who is behind this account of the tenant's chat? The caller has verified the chat's signature. */
export function identifyChatUser(ingest: IngestKey, chatUserId: string, email: string): KnownCaller | UnknownCaller {
  const user = identityOfChatUser($app, ingest.tenantId, chatUserId, email.trim().toLowerCase())
  if (user) return identify(ingest, user, null, nowMs())
  return unknown(refuseUnknown("user", languageOf(languageOfTenant($app, ingest.tenantId), false)))
}

/** A refusal of somebody known is noted; of strangers none is: anybody could fill the disk with them. */
function identify(
  ingest: IngestKey,
  user: StoredIdentity,
  key: StoredKeyIdentity | null,
  now: number,
): KnownCaller | UnknownCaller {
  const refusal = refuseIdentity({
    nowMs: now,
    language: languageOf(user.language, key !== null),
    tenant: { id: ingest.tenantId, status: user.tenantStatus },
    user: { status: user.status, product: null },
    key: key ? { ...key, expiresAtMs: key.expiresAt === "" ? null : fromDbTime(key.expiresAt) } : undefined,
  })
  if (refusal) {
    const caller = { tenantId: ingest.tenantId, userId: user.id, apiKeyId: key?.id ?? "", callId: "", model: "" }
    noteRefusal($app, caller, refusal, now)
    return unknown(refusal)
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

function unknown({ code, message }: Refusal): UnknownCaller {
  return { known: false, code, message }
}

/** The smaller of two limits of which 0 and undefined mean none. */
function smallest(...limits: (number | undefined)[]): number | null {
  const set = limits.filter((limit): limit is number => limit !== undefined && limit > 0)
  return set.length === 0 ? null : Math.min(...set)
}
