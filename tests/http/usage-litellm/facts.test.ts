/** The guarantee: of a logging payload only named facts are taken, from the fields that the tenant's client cannot forge. */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import path from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { books, startTwoTenants, type TwoTenants, usageRow, usedNano } from "../two-tenants"
import { aborted, CHAT_COST, chat, embedding, failure, idOf, SECRET_ANSWER, SECRET_PROMPT, speech, usageObject } from "./payloads"

let scene: TwoTenants
let key: { id: string; key: string }
const keyHash = () => createHash("sha256").update(key.key).digest("hex")
beforeAll(async () => {
  scene = await startTwoTenants()
  const made = await scene.platform.request("POST", "/api/keys", { token: scene.a.colleague.token, body: { name: "cli" } })
  key = made.body
})
afterAll(() => scene?.platform.stop())

type Json = Record<string, unknown>
async function book(payload: Json) {
  const answer = await scene.platform.ingest(scene.a.ingestKey, [payload], "/api/usage/litellm")
  return { result: answer.body.results[0], row: usageRow(scene.platform, idOf(payload)) }
}

describe("counts", () => {
  it("of a chat: the prompt split in disjoint classes, LiteLLM's own cost as a cross-check only", async () => {
    const { result, row } = await book(chat())
    expect([result.verdict, result.cost]).toEqual(["accepted", CHAT_COST])
    expect(row).toMatchObject({
      ...{
        model: "gpt-4o",
        model_requested: "my-gpt",
        provider: "openai",
        kind: "chat",
        status: "success",
        price_status: "priced",
      },
      ...{ tokens_input: 1_000, tokens_uncached: 800, tokens_cache_read: 200, tokens_output: 50, tokens_reasoning: 8 },
      ...{ duration_ms: 978, reported_cost_nano_usd: 424_000 },
    })
  })

  it("of an embedding", async () => {
    const { result, row } = await book(embedding())
    expect([result.verdict, row?.kind]).toEqual(["quarantined", "embedding"])
  })

  it("of a failure without tokens: accepted, cost 0, no block of its model", async () => {
    const { result } = await book(failure({ model: "openai/no-such-model" }))
    expect(result).toMatchObject({ verdict: "accepted", cost: "0.000000000" })
    expect(scene.platform.sql("SELECT 1 FROM model_blocks WHERE model = 'no-such-model'")).toEqual([])
  })

  it("of a stream that the client left (499): what was counted, marked as an estimate", async () => {
    const { result, row } = await book(aborted())
    expect(result).toMatchObject({ verdict: "accepted", cost: "0.000149040" })
    expect(row).toMatchObject({ price_status: "estimated", aborted: 1 })
  })

  it("of a stream that the provider counted: no estimate", async () => {
    expect((await book(chat({ stream: true }))).row).toMatchObject({ price_status: "priced" })
  })

  it("of a stream that only LiteLLM counted: an estimate", async () => {
    const usage = { ...usageObject(1_000, 50, 0), prompt_tokens_details: null }
    expect((await book(chat({ stream: true }, { usage_object: usage }))).row).toMatchObject({ price_status: "estimated" })
  })

  it("of speech: none, so it is quarantined although the model has a price", async () => {
    const { result, row } = await book(speech())
    expect(result).toMatchObject({ verdict: "quarantined", code: "model_unpriced" })
    expect(row).toMatchObject({ kind: "speech", price_status: "quarantined", cost_nano: 0 })
  })

  it("of an answer from LiteLLM's cache: free", async () => {
    expect((await book(chat({ cache_hit: true }))).result).toMatchObject({ verdict: "accepted", cost: "0.000000000" })
  })
})

describe("who", () => {
  it("is metadata.user_api_key_user_id", async () => {
    const before = usedNano(scene.platform, "user", scene.a.member.id)
    const { row } = await book(chat({}, { user_api_key_user_id: scene.a.member.id }))
    expect(row).toMatchObject({ user_id: scene.a.member.id })
    expect(usedNano(scene.platform, "user", scene.a.member.id) - before).toBe(3_036_000)
  })

  it("is the owner of the key whose hash is sent", async () => {
    const { row } = await book(chat({}, { user_api_key_hash: keyHash() }))
    expect(row).toMatchObject({ user_id: scene.a.colleague.id, api_key_id: key.id })
  })

  it("is never end_user, the body's user, a header or metadata that the requester chose", async () => {
    const id = scene.a.member.id
    const before = usedNano(scene.platform, "user", id)
    const forged = { user_id: id, user: id, user_api_key_user_id: id, headers: { "x-openwebui-user-id": id } }
    const { row } = await book(
      chat(
        { end_user: id, user: id, user_id: id, request_tags: [id], model_parameters: { user: id, metadata: forged } },
        {
          user_api_key_end_user_id: id,
          requester_metadata: forged,
          requester_custom_headers: forged.headers,
          spend_logs_metadata: forged,
          user_id: id,
        },
      ),
    )
    expect(row).toMatchObject({ user_id: "", claimed_user: "" })
    expect(usedNano(scene.platform, "user", id)).toBe(before)
  })

  it("unknown to us: booked to the tenant, with code unknown_user", async () => {
    expect((await book(chat({}, { user_api_key_user_id: "8f7c-owui-id" }))).result).toMatchObject({
      verdict: "accepted",
      code: "unknown_user",
    })
  })

  it("of another tenant: tenant_mismatch, nothing booked", async () => {
    const before = books(scene.platform)
    const { result } = await book(chat({}, { user_api_key_user_id: scene.b.member.id }))
    expect(result).toMatchObject({ verdict: "rejected", code: "tenant_mismatch" })
    expect(books(scene.platform)).toEqual(before)
  })

  it("by the hash of another tenant's key: tenant_mismatch, nothing booked", async () => {
    const before = books(scene.platform)
    const payload = chat({}, { user_api_key_hash: keyHash() })
    const answer = await scene.platform.ingest(scene.b.ingestKey, [payload], "/api/usage/litellm")
    expect(answer.body.results[0]).toMatchObject({ verdict: "rejected", code: "tenant_mismatch" })
    expect(books(scene.platform)).toEqual(before)
  })
})

it("prompts, answers and error texts are nowhere in the data folder", async () => {
  await book(chat())
  await book(failure())
  await scene.platform.ingest(
    scene.a.ingestKey,
    [chat({ prompt_tokens: SECRET_PROMPT }), chat({ model: null })],
    "/api/usage/litellm",
  )
  await scene.platform.request("POST", "/api/usage/litellm", {
    token: `Bearer ${scene.a.ingestKey}`,
    body: JSON.stringify([chat()]).slice(0, -9),
  })
  for (const name of ["data.db", "data.db-wal", "auxiliary.db", "auxiliary.db-wal"]) {
    const bytes = readFileSync(path.join(scene.platform.dataDir, name))
    for (const text of [SECRET_PROMPT, SECRET_ANSWER, "alice@acme.test"]) expect(bytes.includes(text)).toBe(false)
  }
  expect(scene.platform.output()).not.toContain(SECRET_PROMPT)
})
