import { requireCaller } from "../../pocketbase/auth"
import { queryParam } from "../../pocketbase/request"
import { answer } from "../../pocketbase/respond"
import { summarizeUsage } from "../../usecases/summarize-usage"

/** GET /api/usage/summary?group=day|model|user&period=…|from=…&to=…&tenant_id=… */
export function getUsageSummary(e: core.RequestEvent): void {
  answer(e, () => {
    const caller = requireCaller(e)
    const of = (name: string) => queryParam(e, name)
    return summarizeUsage(caller, {
      group: of("group"),
      period: of("period"),
      from: of("from"),
      to: of("to"),
      tenantId: of("tenant_id"),
    })
  })
}
