/** The rules of budgets and holds in 110 lines, for one tenant in UTC with its period on the 1st. What F14 compares the database with. */
import { NANO_PER_TOKEN } from "./books"

const DAY_MS = 86_400_000
const USEFUL_TOKENS = 16

export interface ModelBudget {
  total: number
  used: number
  /** bought or given credit in this period; what is not listed here of the total is allowance or debt */
  credit: number
  allowance: number
  expired: Map<string, number>
}

export class Model {
  tenant: ModelBudget
  users = new Map<string, ModelBudget & { seat: number }>()
  active = true
  key: string
  events = new Map<string, { user: string; tokens: number; atMs: number }>()
  holds = new Map<string, { user: string; nano: number }>()

  constructor(openedMs: number, seats: [string, number][]) {
    this.key = periodKey(openedMs)
    this.openedMs = openedMs
    this.tenant = budget(seats.reduce((sum, [, allowance]) => sum + allowance, 0))
    for (const [user, allowance] of seats) this.users.set(user, { ...budget(allowance), seat: allowance })
  }

  readonly openedMs: number

  event(id: string, user: string, tokens: number, atMs: number): "accepted" | "duplicate" | "conflict" {
    const before = this.events.get(id)
    if (before) return before.tokens === tokens ? "duplicate" : "conflict"
    this.events.set(id, { user, tokens, atMs })
    const key = periodKey(atMs)
    for (const row of [this.tenant, this.users.get(user) as ModelBudget]) {
      const cost = tokens * NANO_PER_TOKEN
      if (key === this.key) row.used += cost
      else {
        const covered = Math.min(cost, row.expired.get(key) ?? 0)
        row.expired.set(key, (row.expired.get(key) ?? 0) - covered)
        if (row === this.tenant) row.total -= cost - covered
      }
    }
    return "accepted"
  }

  /** Tokens that the call may answer with; null: it may not run. */
  authorize(callId: string, user: string, asked: number): number | null {
    const own = this.users.get(user) as ModelBudget
    const left = Math.min(
      this.tenant.total - this.tenant.used - this.heldNano(),
      own.total - own.used - this.heldNano((of) => of === user),
    )
    const tokens = Math.min(asked, Math.floor(left / NANO_PER_TOKEN))
    if (!this.active || tokens < Math.min(asked, USEFUL_TOKENS)) return null
    this.holds.set(callId, { user, nano: tokens * NANO_PER_TOKEN })
    return tokens
  }

  heldNano(of: (user: string) => boolean = () => true): number {
    return [...this.holds.values()].reduce((sum, hold) => sum + (of(hold.user) ? hold.nano : 0), 0)
  }

  adjust(row: ModelBudget, nano: number): void {
    row.total += nano
    if (nano > 0) row.credit += nano
  }

  /** Time goes on, by days: every hold runs out, every boundary on the way is a reset. */
  reach(nowMs: number): void {
    this.holds.clear()
    while (this.key < periodKey(nowMs)) {
      this.reset(
        this.tenant,
        true,
        [...this.users.values()].reduce((sum, user) => sum + user.seat, 0),
      )
      for (const user of this.users.values()) this.reset(user, false, user.seat)
      this.key = nextKey(this.key)
    }
  }

  private reset(row: ModelBudget, isMoney: boolean, allowance: number): void {
    const left = row.total - row.used
    const carry = !isMoney ? 0 : left < 0 ? left : Math.min(left, row.credit)
    row.expired.set(this.key, Math.max(0, left - Math.max(0, carry)))
    const granted = this.active ? allowance : 0
    Object.assign(row, { total: carry + granted, used: 0, credit: Math.max(0, carry), allowance: granted })
  }

  setActive(active: boolean, nowMs: number): void {
    this.active = active
    for (const [user, { seat }] of this.users) this.setSeat(user, seat, nowMs)
  }

  setSeat(user: string, seat: number, nowMs: number): void {
    const row = this.users.get(user) as ModelBudget & { seat: number }
    row.seat = seat
    if (!this.active || seat <= row.allowance) return
    const end = Date.parse(`${nextKey(this.key)}T00:00:00Z`)
    const whole = Math.ceil((end - Math.max(Date.parse(`${this.key}T00:00:00Z`), this.openedMs)) / DAY_MS)
    const granted = halfEven((seat - row.allowance) * Math.ceil((end - nowMs) / DAY_MS), whole)
    row.allowance = seat
    for (const one of [row, this.tenant]) one.total += granted
  }
}

const budget = (allowance: number): ModelBudget => ({ total: allowance, used: 0, credit: 0, allowance, expired: new Map() })
export const periodKey = (ms: number): string => `${new Date(ms).toISOString().slice(0, 7)}-01`
const nextKey = (key: string): string => periodKey(Date.parse(`${key}T00:00:00Z`) + 40 * DAY_MS)

function halfEven(numerator: number, denominator: number): number {
  const down = Math.floor(numerator / denominator)
  const twice = 2 * (numerator - down * denominator) - denominator
  return twice > 0 || (twice === 0 && down % 2 === 1) ? down + 1 : down
}
