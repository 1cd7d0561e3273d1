/** Who or what refuses a call, with the numbers, who can lift it, and a sentence for the person who is refused. */
import type { RefusalCode, RefusalScope } from "../contract/authorize"
import { availableOf, type BudgetFact, type CallRequest, type GateFacts, namesOf, priceOf, type Refusal } from "./call-facts"
import { allowsModel, readModelList } from "./model-access"
import { nanoToEur } from "./money"

/** Who may not call at all, whatever the model and the money. */
export function refuseIdentity(facts: Pick<GateFacts, "nowMs" | "tenant" | "user" | "key">): Refusal | null {
  const { tenant, user, key } = facts
  if (!user) return refusal("unknown_identity", "user", ["tenant_admin", "operator"], "This user is not known here.")
  if (tenant.status !== "active") {
    return refusal(
      "tenant_suspended",
      "tenant",
      ["tenant_admin", "operator"],
      "Your company's access is suspended. Please ask your administrator.",
    )
  }
  if (user.status !== "active") {
    return refusal(
      "user_suspended",
      "user",
      ["tenant_admin", "operator"],
      "Your account is not active. Please ask your administrator.",
    )
  }
  if (key === undefined) return null
  if (key === null) return refusal("unknown_identity", "api_key", ["user"], "This API key is not known here.")
  if (key.status !== "active") {
    return refusal("key_revoked", "api_key", ["user", "tenant_admin"], "This API key was revoked. Create a new one.")
  }
  if (key.expiresAtMs !== null && key.expiresAtMs <= facts.nowMs) {
    return refusal("key_expired", "api_key", ["user", "tenant_admin"], "This API key has expired. Create a new one.")
  }
  return null
}

export function refuseModel(call: CallRequest, facts: GateFacts): Refusal | null {
  const names = namesOf(call.model)
  const product = facts.user?.product
  if (!product) {
    return refusal(
      "model_not_allowed",
      "user",
      ["tenant_admin", "operator"],
      "Your account has no product yet. Please ask your administrator.",
    )
  }
  if (!allowsModel(readModelList(product.models), names)) {
    return refusal(
      "model_not_allowed",
      "user",
      ["tenant_admin", "operator"],
      `The model ${call.model} is not part of your product.`,
    )
  }
  if (facts.key && !allowsModel(readModelList(facts.key.models), names)) {
    return refusal("model_not_allowed", "api_key", ["user", "tenant_admin"], `This API key may not use the model ${call.model}.`)
  }
  if (facts.blocked !== "") {
    return refusal(
      "model_unpriced",
      "model",
      ["operator"],
      `The model ${call.model} is blocked until its price is known: ${facts.blocked}.`,
    )
  }
  if (!priceOf(call, facts)) {
    return refusal("model_unpriced", "model", ["operator"], `The model ${call.model} has no price here and cannot be used.`)
  }
  return null
}

export function refuseRate(facts: GateFacts): Refusal | null {
  const rateLimit = facts.user?.product?.rateLimit ?? 0
  const { count, oldestMs } = facts.lastMinute
  if (rateLimit > 0 && count >= rateLimit) {
    return {
      ...refusal(
        "rate_limited",
        "user",
        ["user"],
        `You made ${count} calls within a minute; your product allows ${rateLimit}. Try again shortly.`,
      ),
      ...{ limit: rateLimit, used: count, resetsAt: new Date(oldestMs + 60_000).toISOString() },
    }
  }
  const limits: [RefusalScope, number, number][] = [
    ["user", facts.user?.product?.maxParallel ?? 0, facts.parallel.user],
    ["api_key", facts.key?.maxParallel ?? 0, facts.parallel.key],
  ]
  for (const [scope, limit, running] of limits) {
    if (limit > 0 && running >= limit) {
      const whose = scope === "user" ? "your product" : "this API key"
      return {
        ...refusal(
          "too_many_parallel",
          scope,
          ["user"],
          `${running} of your calls are running; ${whose} allows ${limit} at a time.`,
        ),
        ...{ limit, used: running },
      }
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

const OWNER: Record<BudgetFact["scope"], string> = {
  tenant: "Your company's budget",
  user: "Your personal limit",
  api_key: "The limit of this API key",
}
const CAN_FIX: Record<BudgetFact["scope"], Refusal["canFix"]> = {
  tenant: ["tenant_admin", "operator"],
  user: ["tenant_admin", "operator"],
  api_key: ["user", "tenant_admin", "operator"],
}

export function refuseBudget(budget: BudgetFact, neededNano: number, localDate: GateFacts["localDate"]): Refusal {
  const eur = shortEur
  const held = budget.heldNano > 0 ? `, ${eur(budget.heldNano)} EUR reserved for calls that are running` : ""
  return {
    allowed: false,
    code: "budget_exhausted",
    scope: budget.scope,
    limit: budget.totalNano,
    used: budget.usedNano,
    held: budget.heldNano,
    neededNano,
    resetsAt: budget.resetsAt,
    canFix: CAN_FIX[budget.scope],
    message:
      `${OWNER[budget.scope]} cannot pay for this call: ${eur(budget.usedNano)} of ${eur(budget.totalNano)} EUR used${held}; ` +
      `the call needs at least ${eur(neededNano)} EUR. It resets on ${localDate(budget.resetsAt)}.`,
  }
}

/** For sentences: four places, cut off; never part of a decision. */
function shortEur(nano: number): string {
  return nanoToEur(nano).replace(/(\.\d{4})\d+$/, "$1")
}

export function refusal(code: RefusalCode, scope: RefusalScope, canFix: Refusal["canFix"], message: string): Refusal {
  return { allowed: false, code, scope, limit: null, used: null, held: null, neededNano: 0, resetsAt: "", canFix, message }
}
