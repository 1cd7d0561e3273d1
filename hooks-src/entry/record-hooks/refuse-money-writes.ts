/** Money is changed by routes that keep ledger, lots and audit together; a record save would change one of them alone. */
export function refuseMoneyWrite(e: core.RecordRequestEvent): void {
  throw new ForbiddenError(
    `${e.collection?.name} is not written through the record API. Use POST /api/budgets/{id}/adjust for budgets.`,
  )
}
