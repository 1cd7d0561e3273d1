import { PublishPrices, parseRequest } from "../../contract/requests"
import { requireOperator } from "../../pocketbase/auth"
import { readObject } from "../../pocketbase/read-body"
import { answer } from "../../pocketbase/respond"
import { publishPrices } from "../../usecases/publish-prices"

/** POST /api/prices/publish: upstream USD prices → sell prices; dry_run shows the difference and changes nothing. */
export function postPricesPublish(e: core.RequestEvent): void {
  answer(e, () => {
    const caller = requireOperator(e)
    const body = parseRequest(PublishPrices, readObject(e))
    const effectiveFromMs = body.effective_from === undefined ? null : Date.parse(body.effective_from)
    return publishPrices(caller, { entries: body.entries, source: body.source, effectiveFromMs, dryRun: body.dry_run })
  })
}
