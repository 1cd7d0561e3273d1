import { ApiProblem } from "../../contract/error-codes"
import { requireIngestKey } from "../../pocketbase/auth"
import { queryParam } from "../../pocketbase/request"
import { answer } from "../../pocketbase/respond"
import { readIngestCursor } from "../../usecases/read-ingest-cursor"

/** GET /api/usage/cursor?source=…&epoch=…&last_seq=…&spool_age=…: last sequence seen and gaps. */
export function getUsageCursor(e: core.RequestEvent): void {
  answer(e, () => {
    const key = requireIngestKey(e, "any")
    const source = queryParam(e, "source")
    if (source === "") throw new ApiProblem("invalid_field", "source is missing", { path: "source" })
    const age = Number(queryParam(e, "spool_age") || "0")
    return readIngestCursor(key, source, Number.isFinite(age) ? Math.max(0, Math.round(age)) : 0)
  })
}
