import { requireCaller } from "../../pocketbase/auth"
import { answer } from "../../pocketbase/respond"
import { showBudgets } from "../../usecases/show-budgets"

/** GET /api/budget: all budgets that limit the caller. */
export function getBudget(e: core.RequestEvent): void {
  answer(e, () => showBudgets(requireCaller(e)))
}
