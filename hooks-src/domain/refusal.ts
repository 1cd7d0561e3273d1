/** Who or what refuses a call, with the numbers, who can lift it, and a sentence for the person who is refused. */
import type { RefusalCode, RefusalScope } from "../contract/authorize"
import { availableOf, type BudgetFact, type CallRequest, type GateFacts, namesOf, priceOf, type Refusal } from "./call-facts"
import { allowsModel, readModelList } from "./model-access"
import { type Language, type SentenceName, sentence } from "./refusal-sentences"

type CanFix = Refusal["canFix"]
const ADMINS: CanFix = ["tenant_admin", "operator"]
const KEY_HOLDERS: CanFix = ["user", "tenant_admin"]

/** Nobody is known by this chat account or user id, or by this key. */
export function refuseUnknown(scope: "user" | "api_key", language: Language): Refusal {
  return scope === "user"
    ? refusal("unknown_identity", scope, ADMINS, sentence(language, "unknownUser", {}))
    : refusal("unknown_identity", scope, ["user"], sentence(language, "unknownKey", {}))
}

/** Who may not call at all, whatever the model and the money. */
export function refuseIdentity(facts: Pick<GateFacts, "nowMs" | "language" | "tenant" | "user" | "key">): Refusal | null {
  const { tenant, user, key, language } = facts
  if (!user) return refuseUnknown("user", language)
  if (tenant.status !== "active") {
    return refusal("tenant_suspended", "tenant", ADMINS, sentence(language, "tenantSuspended", {}))
  }
  if (user.status !== "active") return refusal("user_suspended", "user", ADMINS, sentence(language, "userSuspended", {}))
  if (key === undefined) return null
  if (key === null) return refuseUnknown("api_key", language)
  if (key.status !== "active") return refusal("key_revoked", "api_key", KEY_HOLDERS, sentence(language, "keyRevoked", {}))
  if (key.expiresAtMs !== null && key.expiresAtMs <= facts.nowMs) {
    return refusal("key_expired", "api_key", KEY_HOLDERS, sentence(language, "keyExpired", {}))
  }
  return null
}

export function refuseModel(call: CallRequest, facts: GateFacts): Refusal | null {
  const { model } = call
  const { language } = facts
  const names = namesOf(model)
  const product = facts.user?.product
  if (!product) return refusal("model_not_allowed", "user", ADMINS, sentence(language, "noProduct", {}))
  if (!allowsModel(readModelList(product.models), names)) {
    return refusal("model_not_allowed", "user", ADMINS, sentence(language, "modelNotInProduct", { model }))
  }
  if (facts.key && !allowsModel(readModelList(facts.key.models), names)) {
    return refusal("model_not_allowed", "api_key", KEY_HOLDERS, sentence(language, "modelNotOfKey", { model }))
  }
  if (facts.blocked !== "") return unpriced(sentence(language, "modelBlocked", { model, reason: facts.blocked }))
  if (!priceOf(call, facts)) return unpriced(sentence(language, "modelUnpriced", { model }))
  return null
}

/** The model has a price, but none for what this call is, or for the output that it asks for. */
export function refuseUnpriced(part: "kind" | "output", { model }: CallRequest, { language }: GateFacts): Refusal {
  return unpriced(sentence(language, part === "kind" ? "kindUnpriced" : "outputUnpriced", { model }))
}

function unpriced(message: string): Refusal {
  return refusal("model_unpriced", "model", ["operator"], message)
}

export function refuseRate(facts: GateFacts): Refusal | null {
  const rateLimit = facts.user?.product?.rateLimit ?? 0
  const { count, oldestMs } = facts.lastMinute
  if (rateLimit > 0 && count >= rateLimit) {
    const freeMs = oldestMs + 60_000
    const seconds = Math.max(1, Math.ceil((freeMs - facts.nowMs) / 1_000))
    const message = sentence(facts.language, "tooManyCalls", { count, limit: rateLimit, seconds })
    return {
      ...refusal("rate_limited", "user", ["user"], message),
      ...{ limit: rateLimit, used: count, resetsAt: new Date(freeMs).toISOString() },
    }
  }
  const limits: [RefusalScope, SentenceName & `tooManyRunning${string}`, number, number][] = [
    ["user", "tooManyRunning", facts.user?.product?.maxParallel ?? 0, facts.parallel.user],
    ["api_key", "tooManyRunningOfKey", facts.key?.maxParallel ?? 0, facts.parallel.key],
  ]
  for (const [scope, name, limit, running] of limits) {
    if (limit > 0 && running >= limit) {
      const message = sentence(facts.language, name, { count: running, limit })
      return { ...refusal("too_many_parallel", scope, ["user"], message), ...{ limit, used: running } }
    }
  }
  return null
}

const WIDEST_FIRST = ["tenant", "user", "api_key"]

/** The scope with the least left; of equals the widest, since raising a narrower one would not help. */
export function tightestBudget(budgets: BudgetFact[]): BudgetFact {
  const sorted = [...budgets].sort(
    (a, b) => availableOf(a) - availableOf(b) || WIDEST_FIRST.indexOf(a.scope) - WIDEST_FIRST.indexOf(b.scope),
  )
  const first = sorted[0]
  if (!first) throw new Error("a call without any budget to hold it on")
  return first
}

const OF_BUDGET: Record<BudgetFact["scope"], { name: "tenantBudget" | "userLimit" | "keyLimit"; canFix: CanFix }> = {
  tenant: { name: "tenantBudget", canFix: ADMINS },
  user: { name: "userLimit", canFix: ADMINS },
  api_key: { name: "keyLimit", canFix: ["user", ...ADMINS] },
}

export function refuseBudget(budget: BudgetFact, neededNano: number, facts: Pick<GateFacts, "language" | "localDate">): Refusal {
  const { totalNano, usedNano, heldNano, resetsAt } = budget
  const { name, canFix } = OF_BUDGET[budget.scope]
  const resetsOn = facts.localDate(resetsAt)
  return {
    allowed: false,
    code: "budget_exhausted",
    scope: budget.scope,
    limit: totalNano,
    used: usedNano,
    held: heldNano,
    neededNano,
    resetsAt,
    canFix,
    message: sentence(facts.language, name, { usedNano, totalNano, heldNano, neededNano, resetsOn }),
  }
}

function refusal(code: RefusalCode, scope: RefusalScope, canFix: CanFix, message: string): Refusal {
  return { allowed: false, code, scope, limit: null, used: null, held: null, neededNano: 0, resetsAt: "", canFix, message }
}
