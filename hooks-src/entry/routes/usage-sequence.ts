import { ApiProblem } from "../../contract/error-codes"
import { LIMITS } from "../../contract/usage-event"
import type { SourceSequence } from "../../usecases/record-usage"

/** source, epoch and seq of a request: all three or none (without them there is no gap detection). */
export function readSequence(body: Record<string, unknown>): SourceSequence {
  const text = (name: "source" | "epoch"): string => {
    const value = body[name]
    if (value === undefined || value === null) return ""
    if (typeof value !== "string" || value === "" || value.length > LIMITS.idLength) {
      throw new ApiProblem("invalid_field", `${name} must be a string of 1 to ${LIMITS.idLength} characters`, { path: name })
    }
    return value
  }
  const source = text("source")
  const epoch = text("epoch")
  const seq = body.seq
  if (seq === undefined || seq === null) return { source, epoch, seq: null }
  if (typeof seq !== "number" || !Number.isSafeInteger(seq) || seq < 0)
    throw new ApiProblem("invalid_field", "seq must be an integer ≥ 0", { path: "seq" })
  if (source === "") throw new ApiProblem("invalid_field", "source must be given with seq", { path: "source" })
  return { source, epoch, seq }
}
