/**
 * Billing periods: monthly, from the tenant's local midnight on the anchor day (31 → last day of a shorter month). The
 * period key is that local date. Time zones belong to the host, so the wall clock → UTC step is passed in.
 */

/** UTC milliseconds of 00:00 local time on a "YYYY-MM-DD" date in the tenant's zone. */
export type LocalMidnight = (date: string) => number

export interface BillingPeriod {
  key: string
  startMs: number
  endMs: number
}

/** The period that holds an instant. */
export function periodAt(atMs: number, anchorDay: number, midnight: LocalMidnight): BillingPeriod {
  const at = new Date(atMs)
  // No zone is more than 14 hours from UTC, so the period starts in this UTC month, the one before or the one after.
  let month = at.getUTCFullYear() * 12 + at.getUTCMonth() + 1
  while (midnight(anchorDate(month, anchorDay)) > atMs) month -= 1
  return periodOfMonth(month, anchorDay, midnight)
}

/**
 * The period that follows: it begins where this one ends. After a move to the west (or of the anchor from the 30th to the
 * 31st) the same local date begins a second time; its key is taken, so the period up to the next anchor is skipped.
 */
export function periodAfter(period: BillingPeriod, anchorDay: number, midnight: LocalMidnight): BillingPeriod {
  let next = periodAt(period.endMs, anchorDay, midnight)
  if (next.key <= period.key) next = periodAt(next.endMs, anchorDay, midnight)
  return { ...next, startMs: period.endMs }
}

function periodOfMonth(month: number, anchorDay: number, midnight: LocalMidnight): BillingPeriod {
  const key = anchorDate(month, anchorDay)
  return { key, startMs: midnight(key), endMs: midnight(anchorDate(month + 1, anchorDay)) }
}

/** Local date of the anchor in a month counted from year 0. */
function anchorDate(month: number, anchorDay: number): string {
  const year = Math.floor(month / 12)
  const index = month % 12
  const lastDay = new Date(Date.UTC(year, index + 1, 0)).getUTCDate()
  return isoDate(Date.UTC(year, index, Math.min(Math.max(anchorDay, 1), lastDay)))
}

function isoDate(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}
