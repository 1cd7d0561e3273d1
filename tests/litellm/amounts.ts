/** Amounts as tests compare them: nano-EUR in BigInt. */

export function sum(amounts: bigint[]): bigint {
  return amounts.reduce((total, amount) => total + amount, 0n)
}

/** EUR as a float, as the owner's fields show it → nano-EUR. */
export function nano(eur: number | undefined): bigint {
  return BigInt(Math.round((eur ?? Number.NaN) * 1e9))
}

export function euros(amountNano: bigint): string {
  const digits = String(amountNano).padStart(10, "0")
  return `${digits.slice(0, -9)}.${digits.slice(-9)}`
}
