import { ApiProblem } from "../../contract/error-codes"
import { LIMITS, parseUsageEvent } from "../../contract/usage-event"
import { requireIngestKey } from "../../pocketbase/auth"
import { nowMs } from "../../pocketbase/clock"
import { readObject } from "../../pocketbase/read-body"
import { answer } from "../../pocketbase/respond"
import { recordUsage } from "../../usecases/record-usage"
import { readSequence } from "./usage-sequence"

/** POST /api/usage/events: 1–1,000 events in our own format, a verdict each (contract/usage-event.ts). */
export function postUsageEvents(e: core.RequestEvent): void {
  answer(e, () => {
    const key = requireIngestKey(e, "events")
    const body = readObject(e)
    if (typeof body.tenant_id === "string" && body.tenant_id !== key.tenantId) {
      throw new ApiProblem("tenant_mismatch", "tenant_id differs from the tenant that the ingest key belongs to", {
        path: "tenant_id",
      })
    }
    const events = requireBatch(body.events)
    const now = nowMs()
    return recordUsage(
      key,
      events.map((event, i) => parseUsageEvent(event, `events[${i}]`, now)),
      readSequence(body),
    )
  })
}

export function requireBatch(events: unknown): unknown[] {
  if (!Array.isArray(events)) throw new ApiProblem("invalid_field", "events must be an array", { path: "events" })
  if (events.length === 0) throw new ApiProblem("empty_batch", "events must hold at least one event", { path: "events" })
  if (events.length > LIMITS.eventsPerRequest) {
    throw new ApiProblem(
      "too_many_events",
      `events must hold at most ${LIMITS.eventsPerRequest} events, it holds ${events.length}`,
      { path: "events", limit: LIMITS.eventsPerRequest },
    )
  }
  return events
}
