/** The sign-in page of a tenant's chat: one of four views in one card. The server has the last word on everything. */
import type { SignInContext } from "../../hooks-src/contract/oauth"
import { authorize, currentLogin, type Login, remember, requestMail, signIn, Unavailable } from "./server"
import { isTextKey, TEXTS, type TextKey } from "./texts"

type View = "loading" | "continue" | "sign-in" | "reset" | "problem"

function find<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id)
  if (!element) throw new Error(`the page has no #${id}`)
  return element as T
}

const context = JSON.parse(find("context").textContent ?? "") as SignInContext
const email = find<HTMLInputElement>("email")
const password = find<HTMLInputElement>("password")
let language = context.language
let view: View = "loading"
let login: Login | null = null
let busy = false
let alertKey: TextKey | "" = ""
let noticeKey: TextKey | "" = ""
let resendTo = ""

function text(key: TextKey): string {
  const name = login ? login.record.name || login.record.email : ""
  // In one pass and by a function: a name is text, whatever placeholders or patterns it holds.
  return TEXTS[language][key].replace(/\{(tenant|name)\}/g, (_whole, which) => (which === "name" ? name : context.tenantName))
}

const HEADINGS: Record<View, [TextKey, TextKey | ""]> = {
  loading: ["heading", "lead"],
  continue: ["heading", "continueLead"],
  "sign-in": ["heading", "lead"],
  reset: ["resetHeading", "resetLead"],
  problem: ["problemHeading", ""],
}

/** Writes the whole state into the page: called after every change, so that no view can hold a leftover of another. */
function render(): void {
  document.documentElement.lang = language
  document.title = `${text("title")} · CloudFreedom`
  for (const element of document.querySelectorAll<HTMLElement>("[data-text]")) {
    element.textContent = text(element.dataset.text as TextKey)
  }
  for (const button of document.querySelectorAll<HTMLElement>("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === language))
  }
  const [heading, lead] = HEADINGS[view]
  find("heading").textContent = text(heading)
  find("lead").textContent = view === "problem" && context.problem !== "" ? text(context.problem) : lead === "" ? "" : text(lead)
  find("continue").hidden = view !== "continue"
  find("loading").hidden = view !== "loading"
  find("sign-in").hidden = view !== "sign-in" && view !== "reset"
  find("password-field").hidden = view === "reset"
  find("back-to-sign-in").hidden = view !== "reset"
  find("submit").textContent = busy ? text("busy") : text(view === "reset" ? "resetSubmit" : "submit")
  find("show-password").textContent = text("showPassword")
  find("show-password").setAttribute("aria-label", text("showPasswordLabel"))
  for (const button of document.querySelectorAll<HTMLButtonElement>("main button")) button.disabled = busy
  renderAccount()
  renderMessages()
}

function renderAccount(): void {
  if (!login) return
  const { name, email: address } = login.record
  find("continue-name").textContent = busy ? text("busy") : text("continueAs")
  find("continue-email").textContent = name === "" ? "" : address
  find("avatar").textContent = (name || address).slice(0, 1).toUpperCase()
}

function renderMessages(): void {
  find("alert").hidden = alertKey === ""
  find("alert-text").textContent = alertKey === "" ? "" : text(alertKey)
  find("resend").hidden = alertKey !== "email_unverified" || resendTo === ""
  find("notice").textContent = noticeKey === "" ? "" : text(noticeKey)
  const back = find<HTMLAnchorElement>("back")
  back.hidden = context.chatUrl === "" || view !== "problem"
  if (context.chatUrl !== "") back.href = context.chatUrl
}

function show(next: View, focus?: HTMLElement): void {
  view = next
  markField(email, "")
  markField(password, "")
  render()
  focus?.focus()
}

function say(alert: TextKey | "", notice: TextKey | "" = ""): void {
  alertKey = alert
  noticeKey = notice
  render()
}

/** One action at a time; whatever it throws ends as a sentence, never as a page that hangs. */
async function during(work: () => Promise<void>): Promise<void> {
  if (busy) return
  busy = true
  say("")
  try {
    await work()
  } catch (thrown) {
    alertKey = "unavailable"
    if (!(thrown instanceof Unavailable)) console.error(thrown)
  }
  busy = false
  render()
}

/** Takes the code to the chat, or says why there is none. */
async function enter(candidate: Login): Promise<void> {
  const answer = await authorize(candidate.token)
  if ("redirectTo" in answer) {
    remember(candidate)
    // Not kept in the history: going back would only offer a request that has been used.
    location.replace(answer.redirectTo)
    await new Promise(() => undefined)
  } else if (answer.problem === "not_signed_in") {
    login = null
    alertKey = "session_expired"
    show("sign-in", email)
  } else {
    const key = answer.problem === "invalid_field" ? "bad_request" : answer.problem
    resendTo = candidate.record.email
    alertKey = isTextKey(key) ? key : "unavailable"
  }
}

async function submitPassword(): Promise<void> {
  const verdict = await signIn(email.value.trim(), password.value)
  if ("login" in verdict) return enter(verdict.login)
  alertKey = verdict.problem
  password.value = ""
  password.focus()
}

function markField(field: HTMLInputElement, problem: string): boolean {
  find(`${field.id}-problem`).textContent = problem
  field.setAttribute("aria-invalid", String(problem !== ""))
  if (problem !== "") field.focus()
  return problem === ""
}

function complete(): boolean {
  const hasPassword = view === "reset" || markField(password, password.value === "" ? text("needPassword") : "")
  const hasEmail = markField(email, /^\S+@\S+$/.test(email.value.trim()) ? "" : text("needEmail"))
  return hasEmail && hasPassword
}

find("sign-in").addEventListener("submit", (event) => {
  event.preventDefault()
  if (busy || !complete()) return
  if (view === "sign-in") void during(submitPassword)
  else {
    void during(async () => {
      await requestMail("request-password-reset", email.value.trim())
      noticeKey = "resetDone"
    })
  }
})
find("continue-as").addEventListener("click", () => {
  const current = login
  if (current) void during(() => enter(current))
})
find("other-account").addEventListener("click", () => {
  login = null
  say("")
  show("sign-in", email)
})
find("forgot").addEventListener("click", () => {
  say("")
  show("reset", email)
})
find("back-to-sign-in").addEventListener("click", () => {
  say("")
  show("sign-in", email)
})
find("resend").addEventListener("click", () => {
  void during(async () => {
    await requestMail("request-verification", resendTo)
    noticeKey = "resent"
  })
})
find("show-password").addEventListener("click", (event) => {
  const shown = password.type === "text"
  password.type = shown ? "password" : "text"
  ;(event.currentTarget as HTMLElement).setAttribute("aria-pressed", String(!shown))
})
for (const button of document.querySelectorAll<HTMLElement>("[data-language]")) {
  button.addEventListener("click", () => {
    language = button.dataset.language === "en" ? "en" : "de"
    show(view)
  })
}

// A browser may bring the page back as it was left, in the middle of leaving it.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload()
})

if (context.problem === "") {
  render()
  currentLogin()
    .catch(() => null)
    .then((found) => {
      login = found
      if (found) show("continue", find("continue-as"))
      else show("sign-in", email)
    })
} else show("problem")
