import { ApiProblem } from "../contract/error-codes"
import { LIMITS } from "../contract/usage-event"
import { selectJson } from "./db"
import { bodyText, header } from "./request"

/** Up to here the parser's recursion cannot get deep enough to hurt; beyond it SQLite (limit 1,000) looks first. */
const SAFE_WITHOUT_SCAN = 65_536

/** The raw text of a JSON request, or the refusal of its type or encoding. */
export function readText(e: core.RequestEvent): string {
  const encoding = header(e, "Content-Encoding")
  if (encoding !== "" && encoding !== "identity") {
    throw new ApiProblem("unsupported_media_type", `Content-Encoding ${encoding} is not supported: send the body uncompressed`, {
      header: "Content-Encoding",
    })
  }
  const type = header(e, "Content-Type").split(";")[0]?.trim().toLowerCase()
  if (type !== "application/json" && type !== "application/x-ndjson") {
    throw new ApiProblem("unsupported_media_type", "Content-Type must be application/json", { header: "Content-Type" })
  }
  return readWithinLimit(e)
}

/** A body without a Content-Length passes the host's check and meets the limit only while it is read. */
export function readWithinLimit(e: core.RequestEvent): string {
  try {
    return bodyText(e)
  } catch (thrown) {
    if (!/too large/i.test(String(thrown))) throw thrown
    throw new ApiProblem("body_too_large", "The body is larger than this route allows.")
  }
}

/** Parses JSON that came from outside: not deeper than 32 levels, position named where it breaks. */
export function parseJson(text: string, path = "body"): unknown {
  if (text.trim() === "") throw new ApiProblem("invalid_json", `${path} is empty; it must be JSON`, { position: 0 })
  if (text.length > SAFE_WITHOUT_SCAN) {
    const position = errorPosition(text)
    if (position > 0) throw brokenJson(text, path, position)
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw brokenJson(text, path, errorPosition(text))
  }
  refuseDeepNesting(value, 1)
  return value
}

function errorPosition(text: string): number {
  return selectJson<[number]>($app, "SELECT json_array(json_error_position({:text})) AS j", { text })[0]
}

/** SQLite stops at 1,000 levels with an "error" on valid text: tell it apart by what stands around. */
function brokenJson(text: string, path: string, position: number): ApiProblem {
  if (/[[{]{2,}$/.test(text.slice(Math.max(0, position - 40), position).replace(/\s|"[^"]*":/g, ""))) {
    return new ApiProblem("nesting_too_deep", `${path} is nested deeper than ${LIMITS.depth} levels`, { limit: LIMITS.depth })
  }
  const where = position > 0 ? ` near character ${position}` : ": a number is out of range"
  return new ApiProblem("invalid_json", `${path} is not valid JSON${where}`, { position })
}

function refuseDeepNesting(value: unknown, level: number): void {
  if (typeof value !== "object" || value === null) return
  if (level > LIMITS.depth) {
    throw new ApiProblem("nesting_too_deep", `the body is nested deeper than ${LIMITS.depth} levels`, { limit: LIMITS.depth })
  }
  for (const name in value) {
    const child = (value as Record<string, unknown>)[name]
    if (typeof child === "object" && child !== null) refuseDeepNesting(child, level + 1)
  }
}

/** A JSON object, as every route but the raw LiteLLM one wants it. */
export function readObject(e: core.RequestEvent): Record<string, unknown> {
  const value = parseJson(readText(e))
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ApiProblem("invalid_body", "the body must be a JSON object", { path: "" })
  }
  return value as Record<string, unknown>
}
