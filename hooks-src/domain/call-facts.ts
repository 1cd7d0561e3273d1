/** What deciding about one call knows and says: the request, the facts of one moment, the named verdict. */
import type { CallPurpose, RefusalCode, RefusalScope } from "../contract/authorize"
import { modelNames, type PriceVersion, versionInForce } from "./pricing"
import type { Language } from "./refusal-sentences"

export interface CallRequest {
  callId: string
  userId: string
  apiKeyId: string
  model: string
  tokensInput: number
  /** null = the client set none. */
  maxTokens: number | null
  images: number
  characters: number
  audioMs: number
  purpose: CallPurpose
}

export interface BudgetFact {
  id: string
  scope: "tenant" | "user" | "api_key"
  totalNano: number
  usedNano: number
  heldNano: number
  periodKey: string
  /** UTC, RFC 3339. */
  resetsAt: string
}

export interface PricedModel extends PriceVersion {
  kind: string
  maxOutputTokens: number
}

export interface GateFacts {
  nowMs: number
  /** Of the sentence, should the call be refused. */
  language: Language
  tenant: { id: string; status: string }
  /** null: no such user in this tenant. */
  user: {
    status: string
    /** null: the user has no product, so nothing is sold to them. */
    product: { models: unknown; rateLimit: number; maxParallel: number; defaultMaxTokens: number } | null
  } | null
  /** undefined: no key was named; null: no such key of this user. */
  key: { status: string; expiresAtMs: number | null; models: unknown; maxParallel: number } | null | undefined
  /** Why the model is blocked for this tenant, or empty. */
  blocked: string
  prices: PricedModel[]
  budgets: BudgetFact[]
  /** Calls of this user within the last minute, and when the oldest of them began. */
  lastMinute: { count: number; oldestMs: number }
  /** Calls in flight of this user, and of them with this key. */
  parallel: { user: number; key: number }
  /** The tenant's calendar date of an instant, for sentences. */
  localDate: (rfc3339: string) => string
}

export interface Refusal {
  allowed: false
  code: RefusalCode
  scope: RefusalScope
  /** Nano-EUR for budgets, calls for rates; null where there is no number. */
  limit: number | null
  used: number | null
  held: number | null
  neededNano: number
  /** UTC, RFC 3339; empty = time does not lift it. */
  resetsAt: string
  canFix: ("user" | "tenant_admin" | "operator")[]
  message: string
}

export interface Grant {
  allowed: true
  amountNano: number
  maxTokens: number
  clamped: boolean
  /** What the tightest scope has left once this hold stands. */
  availableNano: number
}

export type HoldDecision = Grant | Refusal

export function availableOf(budget: BudgetFact): number {
  return budget.totalNano - budget.usedNano - budget.heldNano
}

/** "openai/gpt-4o" is also known as "gpt-4o"; a name without a slash stands for itself. */
export function namesOf(model: string): string[] {
  const slash = model.indexOf("/")
  return modelNames(model, slash > 0 ? model.slice(0, slash) : "")
}

export function priceOf(call: CallRequest, facts: GateFacts): PricedModel | null {
  const slash = call.model.indexOf("/")
  return versionInForce(facts.prices, call.model, slash > 0 ? call.model.slice(0, slash) : "", facts.nowMs) as PricedModel | null
}
