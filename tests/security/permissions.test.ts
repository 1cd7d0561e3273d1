/**
 * The guarantee: what each role can do to each collection through the record API, on real rows of two tenants.
 * A cell is `<whose rows a list holds> <view an own row>/<view the other tenant's> <create> <update> <delete>`: the writes go
 * to the other tenant's row where there is one. PocketBase says 404 for a row that a rule hides, 400 for a create that a rule
 * refuses, 403 where there is no rule at all. Member, tenant admin: of tenant A.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createPerson, startTwoTenants, type TwoTenants } from "../http/two-tenants"
import { contents, fillCollections, findTargets, probe, ROLES, type Role } from "./permission-probe"

const HIDDEN = "nothing 404/404 403 403 403"
const NOBODY = "403 403/403 403 403 403"
const READ_OWN = "own 200/404 403 403 403"
const READ_TENANT = "tenant 200/404 403 403 403"
const READ_ALL = "all 200/200 403 403 403"
const SHARED_HIDDEN = "nothing 404/- 403 403 403"
const SHARED_READ = "all 200/- 403 403 403"
const VIEW_HIDDEN = "nothing 404/404 400 400 400"
const VIEW_READ = "all 200/200 400 400 400"
const MONEY = [HIDDEN, READ_OWN, READ_TENANT, HIDDEN, READ_ALL, READ_ALL]

const TABLE: Record<string, string[]> = {
  // biome-ignore format: a table
  tenants: ["nothing 404/404 400 404 403", "tenant 200/404 400 404 403", "tenant 200/404 400 404 403", "nothing 404/404 400 404 403", "all 200/200 200 200 403", "all 200/200 200 200 400"],
  // biome-ignore format: a table
  users: ["nothing 404/404 400 404 403", "own 200/404 400 404 403", "tenant 200/404 400 404 403", "own 404/404 400 404 403", "all 200/200 200 200 403", "all 200/200 200 200 400"],
  // biome-ignore format: a table
  products: ["all 200/- 400 404 403", "all 200/- 400 404 403", "all 200/- 400 404 403", "all 200/- 400 404 403", "all 200/- 200 200 403", "all 200/- 200 200 400"],
  product_versions: [SHARED_HIDDEN, SHARED_READ, SHARED_READ, SHARED_READ, SHARED_READ, "all 200/- 200 400 400"],
  tenant_directory: [VIEW_HIDDEN, VIEW_HIDDEN, VIEW_HIDDEN, VIEW_READ, VIEW_READ, VIEW_READ],
  model_prices: [SHARED_HIDDEN, SHARED_READ, SHARED_READ, SHARED_READ, SHARED_READ, SHARED_READ],
  model_costs: [SHARED_HIDDEN, SHARED_HIDDEN, SHARED_HIDDEN, SHARED_HIDDEN, SHARED_READ, SHARED_READ],
  model_blocks: [HIDDEN, HIDDEN, HIDDEN, HIDDEN, READ_ALL, "all 200/200 200 200 204"],
  // biome-ignore format: a table
  platform_settings: ["nothing 404/- 403 404 403", "nothing 404/- 403 404 403", "nothing 404/- 403 404 403", "nothing 404/- 403 404 403", "all 200/- 403 200 403", "all 200/- 200 200 204"],
  api_keys: MONEY,
  budgets: MONEY,
  credit_lots: MONEY,
  ledger_entries: MONEY,
  usage_logs: MONEY,
  holds: [NOBODY, NOBODY, NOBODY, NOBODY, NOBODY, READ_ALL],
  refusals: MONEY,
  ingest_keys: [HIDDEN, HIDDEN, READ_TENANT, HIDDEN, READ_ALL, "all 200/200 403 200 204"],
  ingest_cursors: [NOBODY, NOBODY, NOBODY, NOBODY, NOBODY, "all 200/200 200 200 204"],
  // One stack a tenant: a second one is a 400.
  tenant_stacks: [NOBODY, NOBODY, NOBODY, NOBODY, NOBODY, "all 200/200 400 200 204"],
  oauth_codes: [NOBODY, NOBODY, NOBODY, NOBODY, NOBODY, "all 200/200 200 200 204"],
  oauth_tokens: [NOBODY, NOBODY, NOBODY, NOBODY, NOBODY, "all 200/200 200 200 204"],
  chat_accounts: [NOBODY, NOBODY, NOBODY, NOBODY, NOBODY, "all 200/200 200 200 204"],
  outbox: [HIDDEN, HIDDEN, HIDDEN, HIDDEN, READ_ALL, "all 200/200 200 200 204"],
  audit_log: [HIDDEN, HIDDEN, READ_TENANT, HIDDEN, READ_ALL, READ_ALL],
}
const COLLECTIONS = Object.keys(TABLE)
const STORED = COLLECTIONS.filter((name) => name !== "tenant_directory")
const MAY_NOT_WRITE: Role[] = ["guest", "member", "tenant_admin", "sales"]

let scene: TwoTenants
const tokens: Record<string, string> = {}
beforeAll(async () => {
  scene = await startTwoTenants()
  await fillCollections(scene)
  const person = async (role: string) => (await createPerson(scene.platform, { email: `${role}@example.com`, role })).token
  Object.assign(tokens, { guest: "", member: scene.a.member.token, tenant_admin: scene.a.admin.token })
  Object.assign(tokens, {
    sales: await person("sales"),
    operator: await person("operator"),
    superuser: scene.platform.superuser.authStore.token,
  })
})
afterAll(() => scene?.platform.stop())

it("the table knows every collection of ours", () => {
  const names = scene.platform.sql<{ name: string }>("SELECT name FROM _collections WHERE system = 0").map((row) => row.name)
  expect(COLLECTIONS.toSorted()).toEqual(names.toSorted())
})

describe.each(ROLES)("%s", (role) => {
  const column = ROLES.indexOf(role)

  it("lists, views, creates, updates and deletes what the table says", async () => {
    const targets = findTargets(scene, COLLECTIONS)
    const before = MAY_NOT_WRITE.includes(role) ? contents(scene.platform, STORED) : null
    const measured: Record<string, string> = {}
    for (const collection of COLLECTIONS) measured[collection] = await probe(scene, targets, tokens[role] ?? "", collection)
    expect(measured).toEqual(Object.fromEntries(COLLECTIONS.map((collection) => [collection, TABLE[collection]?.[column]])))
    if (MAY_NOT_WRITE.includes(role)) expect(contents(scene.platform, STORED)).toEqual(before)
  })
})

describe("secrets", () => {
  it("no role reads a hash, a token key or a password, not even by asking for the field", async () => {
    for (const role of ROLES) {
      for (const collection of ["users", "ingest_keys", "api_keys"]) {
        const query = "fields=*,tokenKey,password,key_hash,expand.*&perPage=500"
        const answer = await scene.platform.request("GET", `/api/collections/${collection}/records?${query}`, {
          token: tokens[role] ?? "",
        })
        expect(answer.status).toBe(200)
        expect(JSON.stringify(answer.body)).not.toMatch(/"tokenKey"|"password"|\$2[aby]\$/)
        if (role !== "superuser") expect(JSON.stringify(answer.body)).not.toContain("key_hash")
      }
    }
  })
})
