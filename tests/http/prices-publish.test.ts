/** The guarantee: prices change by publishing a new version; what was published stays as it was, and every booked row pins one. */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import {
  createPerson,
  type Person,
  shapeProblems,
  startTwoTenants,
  type TwoTenants,
  usageEvent,
  usageRow,
  usedNano,
  verdictOf,
} from "./two-tenants"

let scene: TwoTenants
let operator: Person
beforeAll(async () => {
  scene = await startTwoTenants()
  operator = await createPerson(scene.platform, { email: "op@example.com", role: "operator" })
})
afterAll(() => scene?.platform.stop())

const publish = (body: unknown, token = operator.token) => scene.platform.request("POST", "/api/prices/publish", { token, body })
const entry = (model: string, usd: Record<string, unknown> = { input: "1.00", output: "2.00" }) => ({
  model,
  provider: "openai",
  kind: "chat",
  usd,
})
const versions = (model: string) =>
  scene.platform.sql<{ version: number; rates: string }>(
    "SELECT version, rates FROM model_prices WHERE model = ? ORDER BY version",
    [model],
  )

describe("publishing", () => {
  it("makes sell prices with rate and markup, and keeps the upstream price of the same version", async () => {
    const { status, body } = await publish({
      entries: [entry("new-1", { input: "2.50", cache_read: "1.25", output: "10.00" })],
      source: "price page",
    })
    const rates = { input: 2_760_000_000, cache_read: 1_380_000_000, output: 11_040_000_000 }
    expect([status, body]).toEqual([
      200,
      {
        dry_run: false,
        published: 1,
        repriced: 0,
        changes: [{ model: "new-1", provider: "openai", status: "new", before: null, after: rates }],
      },
    ])
    expect(versions("new-1").map((v) => [v.version, JSON.parse(v.rates)])).toEqual([[1, rates]])
    expect(scene.platform.sql("SELECT usd_eur_micro, markup_bp, source FROM model_costs WHERE model = 'new-1'")).toEqual([
      { usd_eur_micro: 920_000, markup_bp: 2_000, source: "price page" },
    ])
  })

  it("the same prices again publishes nothing", async () => {
    await publish({ entries: [entry("same-1")] })
    const { body } = await publish({ entries: [entry("same-1")] })
    expect([body.published, body.changes[0].status]).toEqual([0, "unchanged"])
    expect(versions("same-1")).toHaveLength(1)
  })

  it("dry_run shows the difference and changes nothing", async () => {
    await publish({ entries: [entry("dry-1")] })
    const { body } = await publish({ entries: [entry("dry-1", { input: "9.00" }), entry("dry-2")], dry_run: true })
    expect(body.changes.map((c: { status: string }) => c.status)).toEqual(["changed", "new"])
    expect([versions("dry-1").length, versions("dry-2").length, body.published]).toEqual([1, 0, 0])
  })

  it("a change is a new version from now on; what was booked keeps its price", async () => {
    await publish({ entries: [entry("change-1")] })
    const early = usageEvent({ model: "change-1" })
    const { cost } = await verdictOf(scene.platform, scene.a, early)
    await publish({ entries: [entry("change-1", { input: "2.00", output: "4.00" })] })
    const late = usageEvent({ model: "change-1" })
    const dearer = (await verdictOf(scene.platform, scene.a, late)).cost
    expect([cost, dearer]).toEqual(["0.001214400", "0.002428800"])
    expect(usageRow(scene.platform, early.event_id)).toMatchObject({ cost_nano: 1_214_400 })
    expect(usageRow(scene.platform, early.event_id)?.price_id).not.toBe(usageRow(scene.platform, late.event_id)?.price_id)
  })

  it("settles quarantined usage by a linked correction and lifts the block", async () => {
    const event = usageEvent({ model: "later-1" })
    const before = usedNano(scene.platform, "tenant", scene.a.id)
    expect((await verdictOf(scene.platform, scene.a, event)).verdict).toBe("quarantined")
    const { body } = await publish({ entries: [entry("later-1")] })
    expect(body.repriced).toBe(1)
    expect(usedNano(scene.platform, "tenant", scene.a.id) - before).toBe(1_214_400)
    expect(usageRow(scene.platform, `${event.event_id}~1`)).toMatchObject({
      corrects: event.event_id,
      tokens_input: 0,
      tokens_output: 0,
    })
    expect(scene.platform.sql("SELECT 1 FROM model_blocks WHERE model = 'later-1' AND lifted_at = ''")).toEqual([])
  })

  it("published versions cannot be changed, not even by a superuser", async () => {
    await publish({ entries: [entry("fixed-1")] })
    const [row] = scene.platform.sql<{ id: string }>("SELECT id FROM model_prices WHERE model = 'fixed-1'")
    const path = `/api/collections/model_prices/records/${row?.id}`
    expect((await scene.platform.asSuperuser("PATCH", path, { rates: { input: 1 } })).status).toBe(403)
    expect((await scene.platform.asSuperuser("DELETE", path)).status).toBe(403)
  })
})

describe("what is refused, with nothing published", () => {
  const cases: [string, unknown][] = [
    ["no entries", {}],
    ["empty entries", { entries: [] }],
    ["501 entries", { entries: Array.from({ length: 501 }, (_, i) => entry(`many-${i}`)) }],
    ["a model twice", { entries: [entry("twice"), entry("twice")] }],
    ["a good and a bad one", { entries: [entry("good-one"), entry("bad-one", { input: "-1" })] }],
    ["a price that is a number", { entries: [entry("bad", { input: 1 })] }],
    ["a price with an exponent", { entries: [entry("bad", { input: "1e-6" })] }],
    ["no price at all", { entries: [entry("bad", {})] }],
    ["an unknown kind", { entries: [{ ...entry("bad"), kind: "dream" }] }],
    ["an empty model", { entries: [entry(" ")] }],
    ["effective_from that is no time", { entries: [entry("bad")], effective_from: "tomorrow" }],
  ]
  it.each(cases)("%s", async (_name, body) => {
    const count = () => scene.platform.sql("SELECT count(*) AS n FROM model_prices")
    const before = count()
    const answer = await publish(body)
    expect([answer.status, answer.body.code]).toEqual([400, "invalid_field"])
    expect(shapeProblems(answer)).toEqual([])
    expect(count()).toEqual(before)
  })

  it.each([
    ["a guest", () => "", 401],
    ["a member", () => scene.a.member.token, 403],
    ["a tenant admin", () => scene.a.admin.token, 403],
    ["an ingest key", () => `Bearer ${scene.a.ingestKey}`, 401],
  ])("%s", async (_name, token, status) => {
    expect((await publish({ entries: [entry("never")] }, token())).status).toBe(status)
    expect(versions("never")).toEqual([])
  })
})
