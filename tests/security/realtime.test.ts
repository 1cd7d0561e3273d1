/** N9: realtime tells a subscriber about rows that their rules show them, and about nothing else. */
import { afterAll, beforeAll, expect, it } from "vitest"
import { startTwoTenants, type TwoTenants } from "../http/two-tenants"

interface Message {
  event: string
  data: string
}

/** The server-sent events of one client, by plain fetch: the SDK would want an EventSource. */
class Client {
  readonly messages: Message[] = []
  private readonly abort = new AbortController()

  private constructor(readonly id: string) {}

  static async connect(url: string): Promise<Client> {
    const abort = new AbortController()
    const response = await fetch(`${url}/api/realtime`, { signal: abort.signal })
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    let text = ""
    while (!text.includes("\n\n")) text += new TextDecoder().decode((await reader.read()).value)
    const client = new Client(JSON.parse(/^data:(.*)$/m.exec(text)?.[1] ?? "{}").clientId)
    client.abort.signal.addEventListener("abort", () => abort.abort())
    client.listen(reader).catch(() => undefined)
    return client
  }

  private async listen(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    let text = ""
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
      const parts = (text + new TextDecoder().decode(value)).split("\n\n")
      text = parts.pop() ?? ""
      for (const part of parts)
        this.messages.push({ event: /^event:(.*)$/m.exec(part)?.[1] ?? "", data: /^data:(.*)$/m.exec(part)?.[1] ?? "" })
    }
  }

  async waitFor(needle: string): Promise<void> {
    for (let i = 0; i < 400; i++) {
      if (this.messages.some((message) => message.data.includes(needle))) return
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error(`no message with ${needle}: ${JSON.stringify(this.messages)}`)
  }

  close(): void {
    this.abort.abort()
  }
}

let scene: TwoTenants
beforeAll(async () => {
  scene = await startTwoTenants()
})
afterAll(() => scene?.platform.stop())

async function subscribe(token: string, subscriptions: string[]): Promise<Client> {
  const client = await Client.connect(scene.platform.url)
  const answer = await scene.platform.request("POST", "/api/realtime", { token, body: { clientId: client.id, subscriptions } })
  expect(answer.status).toBe(204)
  return client
}

it("a member and an admin of A hear of their own tenant and never of B, whatever they subscribe to", async () => {
  const topics = [
    "tenants/*",
    "users/*",
    "api_keys/*",
    "usage_logs/*",
    "budgets/*",
    `tenants/${scene.b.id}`,
    `users/${scene.b.member.id}`,
    `users/*?options={"query":{"filter":"id!=''"}}`,
  ]
  const clients = await Promise.all([scene.a.member.token, scene.a.admin.token, ""].map((token) => subscribe(token, topics)))
  const { superuser } = scene.platform
  await superuser.collection("users").update(scene.b.member.id, { name: "Secret B" })
  await superuser.collection("tenants").update(scene.b.id, { name: "Secret B" })
  const key = await scene.platform.request("POST", "/api/keys", { token: scene.b.member.token, body: { name: "Secret B" } })
  expect((await scene.platform.request("POST", `/api/keys/${key.body.id}/revoke`, { token: scene.b.member.token })).status).toBe(
    200,
  )
  // Messages come in order: once the last one about A is there, one about B would be, too.
  await superuser.collection("users").update(scene.a.member.id, { name: "Open A" })
  await superuser.collection("tenants").update(scene.a.id, { name: "Last A" })
  const [member, admin, guest] = clients as [Client, Client, Client]
  await Promise.all([member.waitFor("Last A"), admin.waitFor("Last A")])
  for (const client of clients) {
    const all = JSON.stringify(client.messages)
    for (const secret of ["Secret B", scene.b.id, scene.b.member.id, "tokenKey", "key_hash", '"password"'])
      expect(all).not.toContain(secret)
    client.close()
  }
  expect(guest.messages).toEqual([])
  expect(JSON.stringify(member.messages)).toContain("Open A")
})

it("a suspended user's open connection falls silent", async () => {
  const client = await subscribe(scene.a.colleague.token, ["users/*", "tenants/*"])
  const witness = await subscribe(scene.a.member.token, ["tenants/*"])
  const { superuser } = scene.platform
  await superuser.collection("users").update(scene.a.colleague.id, { status: "suspended" })
  await superuser.collection("tenants").update(scene.a.id, { name: "After the suspension" })
  await witness.waitFor("After the suspension")
  expect(JSON.stringify(client.messages)).not.toContain("After the suspension")
  client.close()
  witness.close()
})

it("one client's subscriptions cannot be taken over by another user", async () => {
  const client = await subscribe(scene.b.member.token, ["tenants/*"])
  const answer = await scene.platform.request("POST", "/api/realtime", {
    token: scene.a.member.token,
    body: { clientId: client.id, subscriptions: [] },
  })
  expect(answer.status).toBe(403)
  client.close()
})
