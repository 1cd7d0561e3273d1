import { Authorize, Identify, Release } from "../../contract/authorize"
import { parseRequest } from "../../contract/requests"
import { requireIngestKey } from "../../pocketbase/auth"
import { dbTime, nowMs } from "../../pocketbase/clock"
import { readObject } from "../../pocketbase/read-body"
import { answer } from "../../pocketbase/respond"
import { releaseHold } from "../../pocketbase/stores/holds"
import { authorizeCall } from "../../usecases/authorize-call"
import { identifyChatUser, identifyKey } from "../../usecases/identify-caller"

/** POST /api/usage/identify: who is behind a key's hash or a chat account, and are they active? */
export function postIdentify(e: core.RequestEvent): void {
  answer(e, () => {
    const ingest = requireIngestKey(e, "any")
    const body = parseRequest(Identify, readObject(e))
    if (body.api_key_hash !== undefined) return identifyKey(ingest, body.api_key_hash)
    return identifyChatUser(ingest, body.user?.id ?? "", body.user?.email ?? "")
  })
}

/** POST /api/usage/authorize: may this call run? Places a hold for it, or names who refuses, with the numbers. */
export function postAuthorize(e: core.RequestEvent): void {
  answer(e, () => {
    const ingest = requireIngestKey(e, "any")
    const body = parseRequest(Authorize, readObject(e))
    return authorizeCall(ingest, {
      callId: body.call_id,
      userId: body.user_id,
      apiKeyId: body.api_key_id ?? "",
      model: body.model,
      tokensInput: body.tokens_input_estimate,
      maxTokens: body.max_tokens ?? null,
      images: body.units_estimate?.images ?? 0,
      characters: body.units_estimate?.characters ?? 0,
      audioMs: Math.ceil((body.units_estimate?.audio_seconds ?? 0) * 1_000),
      purpose: body.purpose ?? "user",
    })
  })
}

/** POST /api/usage/release: the call failed before it cost anything. false = there is no open hold (any more). */
export function postRelease(e: core.RequestEvent): void {
  answer(e, () => {
    const ingest = requireIngestKey(e, "any")
    const body = parseRequest(Release, readObject(e))
    return { released: releaseHold($app, ingest.tenantId, body.hold_id ?? "", body.call_id ?? "", dbTime(nowMs())) }
  })
}
