import { AdjustBudget, parseRequest } from "../../contract/requests"
import { requireCaller } from "../../pocketbase/auth"
import { readObject } from "../../pocketbase/read-body"
import { header, pathParam } from "../../pocketbase/request"
import { answer } from "../../pocketbase/respond"
import { adjustBudget } from "../../usecases/adjust-budget"

/** POST /api/budgets/{id}/adjust: raise or lower a budget, with a reason. */
export function postBudgetAdjust(e: core.RequestEvent): void {
  answer(e, () => {
    const caller = requireCaller(e)
    const body = parseRequest(AdjustBudget, readObject(e))
    const idempotencyKey = body.idempotency_key ?? (header(e, "Idempotency-Key") || undefined)
    return adjustBudget(caller, {
      budgetId: pathParam(e, "id"),
      amount: body.amount,
      reason: body.reason,
      expires: body.expires,
      idempotencyKey,
    })
  })
}
