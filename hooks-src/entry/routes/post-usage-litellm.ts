import { ApiProblem } from "../../contract/error-codes"
import { apiKeyHashOf, toWireEvent } from "../../contract/litellm-payload"
import { type ParsedEvent, parseUsageEvent } from "../../contract/usage-event"
import { requireIngestKey } from "../../pocketbase/auth"
import { nowMs } from "../../pocketbase/clock"
import { parseJson, readText } from "../../pocketbase/read-body"
import { answer } from "../../pocketbase/respond"
import { recordUsage } from "../../usecases/record-usage"
import { requireBatch } from "./post-usage-events"

/** POST /api/usage/litellm: what LiteLLM's stock `generic_api` logger sends, as an array, one object, or NDJSON. */
export function postUsageLitellm(e: core.RequestEvent): void {
  answer(e, () => {
    const key = requireIngestKey(e, "litellm")
    const text = readText(e)
    const now = nowMs()
    const parsed = requireBatch(readPayloads(text)).map((payload, i) => parsePayload(payload, `events[${i}]`, text, now))
    return recordUsage(key, parsed, { source: "litellm", epoch: "", seq: null })
  })
}

/** One JSON value, or a value per line (LiteLLM keeps application/json for its NDJSON too). */
function readPayloads(text: string): unknown[] {
  const lines = text.split("\n").filter((line) => line.trim() !== "")
  const ndjson = lines.length > 1 && lines.every((line) => line.startsWith("{") && line.trimEnd().endsWith("}"))
  if (ndjson) return lines.map((line, i) => parseJson(line, `line ${i + 1}`))
  const value = parseJson(text)
  if (Array.isArray(value)) return value
  if (typeof value === "object" && value !== null) return [value]
  throw new ApiProblem("invalid_body", "the body must be an array of logging payloads, one object, or NDJSON", { path: "" })
}

function parsePayload(payload: unknown, path: string, text: string, now: number): ParsedEvent {
  if (typeof payload !== "object" || payload === null || Array.isArray(payload))
    return { ok: false, eventId: "", message: `${path} must be an object` }
  const fields = payload as Record<string, unknown>
  if (typeof fields.id !== "string" || fields.id === "") return { ok: false, eventId: "", message: `${path}.id is missing` }
  const eventId = $security.sha256(`${fields.id}|${fields.status}|${startTimeAsSent(fields.startTime, text)}`)
  const parsed = parseUsageEvent(toWireEvent(fields, eventId), path, now)
  if (parsed.ok) parsed.event.apiKeyHash = apiKeyHashOf(fields)
  return parsed
}

/** Python writes a whole number of seconds as 1795417482.0, which JSON.parse turns into 1795417482: look it up in the text. */
function startTimeAsSent(startTime: unknown, text: string): string {
  const plain = String(startTime)
  if (!Number.isInteger(startTime)) return plain
  return new RegExp(`"startTime"\\s*:\\s*${plain}\\.0\\b`).test(text) ? `${plain}.0` : plain
}
