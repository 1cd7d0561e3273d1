/** The guarantee: ready means that the database takes writes; health only says that a process listens. */
import { afterAll, beforeAll, expect, it } from "vitest"
import { type Platform, startPlatform } from "../support/platform"

let platform: Platform
beforeAll(async () => {
  platform = await startPlatform()
})
afterAll(() => platform?.stop())

it("answers 200 to anybody, without a login", async () => {
  const answer = await platform.request("GET", "/api/ready")
  expect([answer.status, answer.body]).toEqual([200, { ready: true }])
})

it("changes nothing that anybody can see", async () => {
  const settings = () => platform.sql("SELECT * FROM platform_settings")
  const before = settings()
  await platform.request("GET", "/api/ready")
  expect(settings()).toEqual(before)
})
