import { CreateIngestKey, parseRequest, RotateKey } from "../../contract/requests"
import { requireOperator } from "../../pocketbase/auth"
import { readObject } from "../../pocketbase/read-body"
import { pathParam } from "../../pocketbase/request"
import { answer, answerSecret } from "../../pocketbase/respond"
import { createIngestKey, revokeIngestKeyNow, rotateIngestKey } from "../../usecases/manage-ingest-keys"

/** POST /api/tenants/{id}/ingest-keys: a new key, shown this once. */
export function postIngestKey(e: core.RequestEvent): void {
  answerSecret(e, () => {
    const caller = requireOperator(e)
    const body = parseRequest(CreateIngestKey, readObject(e))
    return createIngestKey(caller, pathParam(e, "id"), body.name, body.route)
  })
}

/** POST /api/ingest-keys/{id}/rotate: a new key, the old one works for the overlap. */
export function postIngestKeyRotate(e: core.RequestEvent): void {
  answerSecret(e, () => {
    const caller = requireOperator(e)
    return rotateIngestKey(caller, pathParam(e, "id"), parseRequest(RotateKey, readObject(e)).overlap_hours)
  })
}

/** POST /api/ingest-keys/{id}/revoke: at once. */
export function postIngestKeyRevoke(e: core.RequestEvent): void {
  answer(e, () => revokeIngestKeyNow(requireOperator(e), pathParam(e, "id")))
}
