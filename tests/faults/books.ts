/** What fault tests share: a model whose price is easy to calculate with, the books as a second engine reads them, and chance with a seed. */
import { setTimeout as sleep } from "node:timers/promises"
import { expect } from "vitest"
import type { Answer, Platform, Tenant } from "../support/platform"

/** 1 USD per million tokens × 0.92 EUR/USD × 1.2: every token, in or out, costs 1,104 nano-EUR. */
export const MODEL = "counted-model"
export const NANO_PER_TOKEN = 1_104
export const PRICE = { model: MODEL, provider: "test", kind: "chat", usd: { input: "1", output: "1" } }
export const EUR = 1_000_000_000

export interface WireEvent {
  event_id: string
  call_id?: string
  user_id?: string
  model: string
  provider?: string
  kind?: string
  tokens_input: number
  tokens_output: number
  status: string
  timestamp: string
}

export function usageEvent(id: string, userId: string, tokens: number, atMs: number): WireEvent {
  const who = userId === "" ? {} : { user_id: userId }
  return {
    event_id: id,
    ...who,
    model: MODEL,
    tokens_input: tokens,
    tokens_output: 0,
    status: "success",
    timestamp: new Date(atMs).toISOString(),
  }
}

export function costOf(events: { tokens_input: number }[]): number {
  return events.reduce((sum, event) => sum + event.tokens_input, 0) * NANO_PER_TOKEN
}

export interface Budget {
  id: string
  scope: string
  user_id: string
  total_nano: number
  used_nano: number
  allowance_nano: number
  period_key: string
  resets_at: string
}

export function budgetsOf(platform: Platform, tenantId: string): Budget[] {
  return platform.sql<Budget>("SELECT * FROM budgets WHERE tenant_id = ? ORDER BY scope, user_id", [tenantId])
}

/** The tenant's money, or a user's limit. */
export function budgetOf(platform: Platform, tenantId: string, userId = ""): Budget {
  const found = budgetsOf(platform, tenantId).find((row) => row.user_id === userId)
  if (!found) throw new Error(`tenant ${tenantId} has no budget for "${userId}"`)
  return found
}

export interface Entry {
  budget_id: string
  kind: string
  ref: string
  amount_nano: number
  period_key: string
  reason: string
}

export function ledgerOf(platform: Platform, budgetId: string, periodKey?: string): Entry[] {
  const rows = platform.sql<Entry>("SELECT * FROM ledger_entries WHERE budget_id = ? ORDER BY created, rowid", [budgetId])
  return rows.filter((row) => periodKey === undefined || row.period_key === periodKey)
}

/** Kind → sum of a period's entries: what a person would read off an account. */
export function sumsByKind(entries: Entry[]): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const entry of entries) sums[entry.kind] = (sums[entry.kind] ?? 0) + entry.amount_nano
  return sums
}

export async function send(platform: Platform, tenant: Tenant, events: WireEvent[]): Promise<Answer["body"]["results"]> {
  const answer = await platform.ingest(tenant.ingestKey, { events })
  if (answer.status !== 200) throw new Error(`${answer.status} ${JSON.stringify(answer.body)}`)
  return answer.body.results
}

export async function adjust(
  platform: Platform,
  budgetId: string,
  amount: string,
  more: Record<string, unknown> = {},
): Promise<Answer> {
  const answer = await platform.asSuperuser("POST", `/api/budgets/${budgetId}/adjust`, {
    amount,
    reason: "a test says so",
    ...more,
  })
  expect(answer.body).toMatchObject({ budget_id: budgetId })
  return answer
}

/** Runs a cron as an operator would; it works in the background, so wait for what it shall bring about. */
export async function runCron(platform: Platform, id: string): Promise<void> {
  const answer = await platform.asSuperuser("POST", `/api/crons/${id}`)
  expect(answer.status).toBe(204)
}

export async function waitUntil(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    if (await holds()) return
    await sleep(50)
  }
  throw new Error(`still not so: ${what}`)
}

/** The invariants of docs/architecture.md hold on the data folder: every fault test ends with it. */
export async function expectSoundBooks(platform: Platform, args: string[] = []): Promise<void> {
  const doctor = await platform.doctor(args)
  expect(`${doctor.output}\nexit code ${doctor.code}`).toMatch(/\nexit code 0$/)
}

/** Chance that can be repeated (mulberry32): numbers in [0, 1). */
export function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
