/** Only the routes know the secret to hash, keep the limit's books and write the audit log; a record save does none of it. */
export function refuseApiKeyWrite(_e: core.RecordRequestEvent): void {
  throw new ForbiddenError(
    "api_keys is not written through the record API. Use POST /api/keys, and /api/keys/{id}/update, /rotate or /revoke.",
  )
}
