/** Every code an own route can answer with. Programs branch on the code, people read the message. */
export const ERROR_STATUS = {
  invalid_json: 400,
  invalid_body: 400,
  invalid_field: 400,
  nesting_too_deep: 400,
  empty_batch: 400,
  missing_key: 401,
  invalid_key: 401,
  key_revoked: 401,
  key_expired: 401,
  not_signed_in: 401,
  forbidden: 403,
  key_bound_to_other_route: 403,
  tenant_mismatch: 403,
  user_suspended: 403,
  tenant_suspended: 403,
  not_a_member: 403,
  email_unverified: 403,
  address_reserved: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  body_too_large: 413,
  too_many_events: 413,
  unsupported_media_type: 415,
  unavailable: 503,
} as const

export type ErrorCode = keyof typeof ERROR_STATUS

/** Codes of a verdict inside a 200 of the usage routes. */
export type EventCode = "invalid_field" | "tenant_mismatch" | "unknown_user" | "model_unpriced" | "event_conflict"

export type Verdict = "accepted" | "duplicate" | "conflict" | "quarantined" | "rejected"

/** One line of `results[]`, in the order sent. `cost` is EUR with nine places; absent when nothing is booked. */
export interface EventResult {
  event_id: string
  verdict: Verdict
  cost?: string
  code?: EventCode
  message?: string
}

/** A refusal that the caller can do something about. Anything else that is thrown is our fault and answers 503. */
export class ApiProblem extends Error {
  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly data: Record<string, unknown> = {},
  ) {
    super(message)
  }
}
