import { ApiProblem } from "../contract/error-codes"
import type { SignInContext } from "../contract/oauth"
import { type ChatPerson, type ChatRefusal, refusalOfChat } from "../domain/chat-access"
import { checkAuthorizeRequest, redirectWithCode } from "../domain/oauth-request"
import type { Caller } from "../pocketbase/auth"
import { nowMs } from "../pocketbase/clock"
import { transaction } from "../pocketbase/db"
import { newSecret } from "../pocketbase/secrets"
import { findChatPerson } from "../pocketbase/stores/chat-accounts"
import { insertCode } from "../pocketbase/stores/oauth-codes"
import { findStackBySlug, type StackWithTenant } from "../pocketbase/stores/tenant-stacks"

const SENTENCES: Record<ChatRefusal, string> = {
  not_a_member: "this user does not belong to the tenant of this chat",
  tenant_suspended: "the tenant of this chat is not active",
  user_suspended: "this user is not active",
  email_unverified: "this user's e-mail address is not confirmed",
  address_reserved: "this address belongs to the administration of the chat and cannot sign in here",
}

/** What the authorize page shows for this link, before anybody has signed in. */
export function openSignIn(slug: string, query: Record<string, string>): SignInContext {
  const stack = findStackBySlug($app, slug)
  if (!stack) return { language: "de", slug, tenantName: "", chatUrl: "", problem: "unknown_chat" }
  const { language, tenantName, chatUrl } = stack
  let problem: SignInContext["problem"] = ""
  if (stack.tenantStatus !== "active") problem = "tenant_suspended"
  else if (checkAuthorizeRequest(query, stack).verdict === "refused") problem = "bad_request"
  return { language, slug, tenantName, chatUrl, problem }
}

/**
 * Gives the signed-in user a one-time code for the tenant's chat and says where to take it.
 * @throws ApiProblem not_found, invalid_field (with the field), or why this user may not enter
 */
export function authorizeChat(caller: Caller, slug: string, body: Record<string, unknown>): { redirect_to: string } {
  const stack = findStackBySlug($app, slug)
  if (!stack) throw new ApiProblem("not_found", "there is no such chat")
  const checked = checkAuthorizeRequest(body, stack)
  if (checked.verdict === "refused")
    throw new ApiProblem("invalid_field", `${checked.field} ${checked.message}`, { path: checked.field })

  const code = newSecret()
  const refusal = transaction((tx) => {
    const refused = refusalNow(findStackBySlug(tx, slug), findChatPerson(tx, caller.id))
    if (refused) return refused
    const grant = { hash: $security.sha256(code), tenantId: stack.tenantId, userId: caller.id, request: checked.request }
    insertCode(tx, grant, nowMs())
    return null
  })
  if (refusal) throw new ApiProblem(refusal, SENTENCES[refusal])
  return { redirect_to: redirectWithCode(checked.request.redirectUri, code, checked.request.state) }
}

/** Asked anew at every step: a user or tenant can be suspended between two of them. */
export function refusalNow(stack: StackWithTenant | null, person: ChatPerson | null): ChatRefusal | null {
  if (!stack || !person) return "not_a_member"
  return refusalOfChat(person, stack)
}

export function refusalSentence(refusal: ChatRefusal): string {
  return SENTENCES[refusal]
}
