import { problem } from "../../pocketbase/respond"

/** 405 in our error shape; the host would answer 404, which hides a wrong verb from the caller. */
export function methodNotAllowed(e: core.RequestEvent, allowed: string): void {
  e.response.header().set("Allow", allowed)
  problem(e, "method_not_allowed", `this route answers ${allowed} only`, { allowed })
}
