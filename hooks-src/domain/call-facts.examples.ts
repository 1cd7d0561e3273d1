/** A call and a moment in which it is granted: tests change one fact at a time. */
import type { BudgetFact, CallRequest, GateFacts, PricedModel } from "./call-facts"

export const NOW = Date.parse("2026-11-23T10:00:00Z")
export const EUR = 1_000_000_000

/** 2 EUR in and 10 EUR out per million tokens: 2,000 and 10,000 nano-EUR a token. */
export const PRICE: PricedModel = {
  id: "price",
  model: "gpt-4o",
  provider: "openai",
  kind: "chat",
  maxOutputTokens: 16_384,
  effectiveFromMs: 0,
  rates: { input: 2 * EUR, cache_read: EUR, output: 10 * EUR },
}

export function budget(scope: BudgetFact["scope"], changes: Partial<BudgetFact> = {}): BudgetFact {
  const row = { id: scope, scope, totalNano: 10 * EUR, usedNano: 0, heldNano: 0, periodKey: "2026-11-01" }
  return { ...row, resetsAt: "2026-11-30T23:00:00.000Z", ...changes }
}

export function call(changes: Partial<CallRequest> = {}): CallRequest {
  const who = { callId: "c", userId: "u", apiKeyId: "", model: "gpt-4o", purpose: "user" as const }
  return { ...who, tokensInput: 1_000, maxTokens: 500, images: 0, characters: 0, audioMs: 0, ...changes }
}

export const PRODUCT = { models: ["*"], rateLimit: 0, maxParallel: 0, defaultMaxTokens: 0 }
export const KEY = { status: "active", expiresAtMs: null, models: ["*"], maxParallel: 0 }

export function facts(changes: Partial<GateFacts> = {}): GateFacts {
  return {
    nowMs: NOW,
    language: "en",
    tenant: { id: "t", status: "active" },
    user: { status: "active", product: PRODUCT },
    key: undefined,
    blocked: "",
    prices: [PRICE],
    budgets: [budget("tenant"), budget("user")],
    lastMinute: { count: 0, oldestMs: NOW },
    parallel: { user: 0, key: 0 },
    localDate: (time) => `local date of ${time}`,
    ...changes,
  }
}
