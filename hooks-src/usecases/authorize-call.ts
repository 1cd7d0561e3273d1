import type { RefusalCode, RefusalScope } from "../contract/authorize"
import { ApiProblem } from "../contract/error-codes"
import { periodAt } from "../domain/billing-period"
import {
  availableOf,
  type BudgetFact,
  type CallRequest,
  type GateFacts,
  type Grant,
  namesOf,
  priceOf,
  type Refusal,
} from "../domain/call-facts"
import { decideHold } from "../domain/hold"
import { nanoToEur } from "../domain/money"
import { refuseIdentity } from "../domain/refusal"
import { languageOf } from "../domain/refusal-sentences"
import { dbTime, fromDbTime, localMidnight, nowMs } from "../pocketbase/clock"
import { type Db, newId, transaction } from "../pocketbase/db"
import { gateFacts, type StoredGateFacts } from "../pocketbase/stores/gate-facts"
import { extendHold, type HoldGuard, type NewHold, placeHold } from "../pocketbase/stores/holds"
import type { IngestKey } from "../pocketbase/stores/ingest-keys"
import { cachedVersionsOfModels } from "../pocketbase/stores/model-prices"
import { noteRefusal } from "../pocketbase/stores/refusals"
import { bringTenantUpToDate } from "./bring-budgets-up-to-date"

/** Longer than nearly every call runs; a longer one asks again with its call id. */
const HOLD_MS = 10 * 60_000
const MINUTE_MS = 60_000

export interface Allowed {
  allowed: true
  hold_id: string
  max_tokens: number
  clamped: boolean
  expires_at: string
  available: string
}

export interface Refused {
  allowed: false
  code: RefusalCode
  scope: RefusalScope
  limit?: string
  used?: string
  held?: string
  resets_at?: string
  can_fix: string[]
  message: string
  refusal_id: string
}

/** Why one try gave no answer: budgets must be opened or reset first, or another call took what this one counted on. */
type Undecided = "due" | "stale"

/**
 * May this call run? Places its hold, or says who refuses with which numbers. Asked twice with the same call id it answers
 * the same hold and gives it time again.
 * @throws ApiProblem conflict if the call id belongs to another call or to one that has ended
 */
export function authorizeCall(ingest: IngestKey, call: CallRequest): Allowed | Refused {
  let answer = attempt($app, ingest, call)
  if (answer === "due") {
    bringTenantUpToDate(ingest.tenantId)
    answer = attempt($app, ingest, call)
  }
  // Under contention the guard may refuse again and again; alone with the writer it cannot.
  if (answer === "stale") answer = transaction((tx) => attempt(tx, ingest, call))
  if (answer === "due" || answer === "stale") throw new Error(`call could not be authorized: facts stay ${answer}`)
  return answer
}

function attempt(db: Db, ingest: IngestKey, call: CallRequest): Allowed | Refused | Undecided {
  const now = nowMs()
  const stored = gateFacts(db, {
    tenantId: ingest.tenantId,
    userId: call.userId,
    keyId: call.apiKeyId,
    callId: call.callId,
    models: JSON.stringify(namesOf(call.model)),
    now: dbTime(now),
    minuteAgo: dbTime(now - MINUTE_MS),
  })
  const facts = factsOf(db, ingest, call, stored, now)
  const stranger = refuseIdentity(facts)
  if (stranger) return refuse(db, ingest, call, facts, stranger)
  if (!upToDate(facts.budgets, now)) return "due"
  const { hold } = stored
  if (hold && (hold.userId !== call.userId || hold.apiKeyId !== call.apiKeyId || hold.model !== call.model)) {
    throw new ApiProblem("conflict", `call_id ${call.callId} belongs to another call`, { path: "call_id" })
  }
  if (hold && hold.state !== "expired") return again(db, call, facts, hold)
  const decision = decideHold(call, facts)
  if (!decision.allowed) return refuse(db, ingest, call, facts, decision)
  return place(db, ingest, call, facts, decision, stored.hold?.id ?? "")
}

function factsOf(db: Db, ingest: IngestKey, call: CallRequest, stored: StoredGateFacts, now: number): GateFacts {
  const { open } = stored
  const held = { tenant: open.tenant, user: open.user, api_key: open.key }
  const { key } = stored
  const lastMinute = stored.user?.lastMinute
  const midnight = localMidnight(ingest.timezone)
  return {
    nowMs: now,
    language: languageOf(stored.tenant?.language, call.apiKeyId !== ""),
    tenant: { id: ingest.tenantId, status: stored.tenant?.status ?? "" },
    user: stored.user,
    key:
      call.apiKeyId === "" ? undefined : key && { ...key, expiresAtMs: key.expiresAt === "" ? null : fromDbTime(key.expiresAt) },
    blocked: stored.blocked ?? "",
    prices: cachedVersionsOfModels(db, namesOf(call.model), stored.bookRow ?? 0),
    budgets: stored.budgets.map((budget) => ({
      ...budget,
      heldNano: held[budget.scope],
      resetsAt: budget.resetsAt.replace(" ", "T"),
    })),
    lastMinute: {
      count: lastMinute?.count ?? 0,
      oldestMs: lastMinute?.oldest ? fromDbTime(lastMinute.oldest) : now,
    },
    parallel: { user: open.userCalls, key: open.keyCalls },
    localDate: (time) => periodAt(Date.parse(time), ingest.anchorDay, midnight).key,
  }
}

/** The tenant's money and the user's limit stand, in a period that still runs. */
function upToDate(budgets: BudgetFact[], now: number): boolean {
  return (
    budgets.some((budget) => budget.scope === "tenant") &&
    budgets.some((budget) => budget.scope === "user") &&
    budgets.every((budget) => Date.parse(budget.resetsAt) > now)
  )
}

function again(db: Db, call: CallRequest, facts: GateFacts, hold: NonNullable<StoredGateFacts["hold"]>): Allowed | Undecided {
  if (hold.state !== "open") {
    throw new ApiProblem("conflict", `call_id ${call.callId} has ended: its hold is ${hold.state}`, { path: "call_id" })
  }
  const expiresAt = dbTime(facts.nowMs + HOLD_MS)
  if (!extendHold(db, hold.id, expiresAt, dbTime(facts.nowMs))) return "stale"
  const availableNano = Math.min(...facts.budgets.map(availableOf))
  return allowed(hold.id, hold.maxTokens, hold.clamped, expiresAt, availableNano)
}

function place(
  db: Db,
  ingest: IngestKey,
  call: CallRequest,
  facts: GateFacts,
  grant: Grant,
  expiredId: string,
): Allowed | Undecided {
  const now = dbTime(facts.nowMs)
  const hold: NewHold = {
    id: newId(facts.nowMs),
    tenantId: ingest.tenantId,
    userId: call.userId,
    apiKeyId: call.apiKeyId,
    callId: call.callId,
    model: call.model,
    purpose: call.purpose,
    amountNano: grant.amountNano,
    tokensInput: call.tokensInput,
    maxTokens: grant.maxTokens,
    clamped: grant.clamped,
    expiresAt: dbTime(facts.nowMs + HOLD_MS),
    now,
  }
  const budgetOf = (scope: BudgetFact["scope"]) => facts.budgets.find((budget) => budget.scope === scope)?.id ?? ""
  const guard: HoldGuard = {
    tenantBudget: budgetOf("tenant"),
    userBudget: budgetOf("user"),
    keyBudget: budgetOf("api_key"),
    periodKey: facts.budgets[0]?.periodKey ?? "",
    rateLimit: facts.user?.product?.rateLimit ?? 0,
    minuteAgo: dbTime(facts.nowMs - MINUTE_MS),
    userParallel: facts.user?.product?.maxParallel ?? 0,
    keyParallel: facts.key?.maxParallel ?? 0,
  }
  const placed = placeHold(db, hold, guard, expiredId !== "")
  if (!placed) return "stale"
  // An expired hold of the same call was taken up again under its old id.
  return allowed(expiredId || hold.id, grant.maxTokens, grant.clamped, hold.expiresAt, grant.availableNano)
}

function allowed(id: string, maxTokens: number, clamped: boolean, expiresAt: string, availableNano: number): Allowed {
  return {
    allowed: true,
    hold_id: id,
    max_tokens: maxTokens,
    clamped,
    expires_at: expiresAt.replace(" ", "T"),
    available: nanoToEur(availableNano),
  }
}

function refuse(db: Db, ingest: IngestKey, call: CallRequest, facts: GateFacts, refusal: Refusal): Refused {
  const caller = {
    tenantId: ingest.tenantId,
    userId: facts.user ? call.userId : "",
    apiKeyId: facts.key ? call.apiKeyId : "",
    callId: call.callId,
    // Under the book's name: names that it does not know are as many as a client likes to invent, and share a row.
    model: priceOf(call, facts)?.model ?? "",
  }
  const id = noteRefusal(db, caller, refusal, facts.nowMs)
  const number = (value: number | null) => (refusal.code === "budget_exhausted" ? nanoToEur(value ?? 0) : String(value))
  return {
    allowed: false,
    code: refusal.code,
    scope: refusal.scope,
    ...(refusal.limit === null ? {} : { limit: number(refusal.limit) }),
    ...(refusal.used === null ? {} : { used: number(refusal.used) }),
    ...(refusal.held === null ? {} : { held: number(refusal.held) }),
    ...(refusal.resetsAt === "" ? {} : { resets_at: refusal.resetsAt }),
    can_fix: refusal.canFix,
    message: refusal.message,
    refusal_id: id,
  }
}
