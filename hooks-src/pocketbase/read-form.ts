import { OAuthProblem } from "../contract/oauth"
import { decodeFormText, parseForm } from "../domain/oauth-request"
import { readWithinLimit } from "./read-body"
import { header } from "./request"

/** A form body as OAuth demands it. Parsed by ourselves: the host takes the first of two equal names, OAuth refuses both. */
export function readForm(e: core.RequestEvent): Record<string, string> {
  const type = header(e, "Content-Type").split(";")[0]?.trim().toLowerCase()
  if (type !== "application/x-www-form-urlencoded")
    throw new OAuthProblem("invalid_request", "Content-Type must be application/x-www-form-urlencoded")
  const form = parseForm(readWithinLimit(e))
  if (!form) throw new OAuthProblem("invalid_request", "the body cannot be decoded or names a parameter twice")
  return form
}

/** Id and secret of `Authorization: Basic …`; null without that header. */
export function readBasicAuth(e: core.RequestEvent): { id: string; secret: string } | null {
  const encoded = /^Basic +(\S+)$/i.exec(header(e, "Authorization"))?.[1]
  if (encoded === undefined) return null
  const [, id, secret] = /^([^:]*):(.*)$/.exec(Buffer.from(encoded, "base64").toString("utf8")) ?? []
  const decoded = { id: decodeFormText(id ?? ""), secret: decodeFormText(secret ?? "") }
  if (decoded.id === null || decoded.secret === null)
    throw new OAuthProblem("invalid_client", "the Basic header cannot be decoded")
  return { id: decoded.id, secret: decoded.secret }
}
