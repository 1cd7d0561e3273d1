/** Credit lots: which part of a budget's total is used up. A pure function of (lots, consumed), never a counter. */

export interface CreditLot {
  id: string
  kind: "allowance" | "credit"
  /** What the lot brought into this period (after its expiry: what of it had been used by then). */
  openNano: number
  /** Empty = never expires. */
  expiresAt: string
  created: string
}

export interface BurnedLot extends CreditLot {
  usedNano: number
  leftNano: number
}

export interface Burn {
  lots: BurnedLot[]
  /** What no lot could pay for. */
  overrunNano: number
}

/** Burn order: what expires first, then the oldest, then the id (so that the answer never depends on row order). */
export function burnOrder(a: CreditLot, b: CreditLot): number {
  if (a.expiresAt !== b.expiresAt) {
    if (a.expiresAt === "") return 1
    if (b.expiresAt === "") return -1
    return a.expiresAt < b.expiresAt ? -1 : 1
  }
  if (a.created !== b.created) return a.created < b.created ? -1 : 1
  return a.id < b.id ? -1 : 1
}

/** Spreads what was consumed in this period over the lots. Negative consumption (corrections) uses nothing. */
export function burnLots(lots: CreditLot[], consumedNano: number): Burn {
  let left = consumedNano
  const burned = [...lots].sort(burnOrder).map((lot) => {
    const usedNano = Math.max(0, Math.min(left, lot.openNano))
    left -= usedNano
    return { ...lot, usedNano, leftNano: lot.openNano - usedNano }
  })
  return { lots: burned, overrunNano: Math.max(0, left) }
}
