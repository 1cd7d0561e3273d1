import { CreateApiKey, parseRequest, RotateKey, UpdateApiKey } from "../../contract/requests"
import { requireCaller } from "../../pocketbase/auth"
import { readObject } from "../../pocketbase/read-body"
import { pathParam } from "../../pocketbase/request"
import { answer, answerSecret } from "../../pocketbase/respond"
import { updateApiKey } from "../../usecases/change-api-key"
import { createApiKey, revokeApiKeyNow, rotateApiKey } from "../../usecases/manage-api-keys"

/** POST /api/keys: a new key for the caller, or for `user_id`; the secret is shown this once. */
export function postApiKey(e: core.RequestEvent): void {
  answerSecret(e, () => createApiKey(requireCaller(e), parseRequest(CreateApiKey, readObject(e))))
}

/** POST /api/keys/{id}/rotate: a new secret for the same terms and limit; the old one works for the overlap. */
export function postApiKeyRotate(e: core.RequestEvent): void {
  answerSecret(e, () => {
    const caller = requireCaller(e)
    return rotateApiKey(caller, pathParam(e, "id"), parseRequest(RotateKey, readObject(e)).overlap_hours)
  })
}

/** POST /api/keys/{id}/revoke: at once, and for good. */
export function postApiKeyRevoke(e: core.RequestEvent): void {
  answer(e, () => revokeApiKeyNow(requireCaller(e), pathParam(e, "id")))
}

/** POST /api/keys/{id}/update: other terms for the key; a limit changes in the period that runs. */
export function postApiKeyUpdate(e: core.RequestEvent): void {
  answer(e, () => {
    const caller = requireCaller(e)
    return updateApiKey(caller, pathParam(e, "id"), parseRequest(UpdateApiKey, readObject(e)))
  })
}
