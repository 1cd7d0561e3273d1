/** The committed configuration is what the renderer makes of the committed price book. */
import { readFileSync } from "node:fs"
import { expect, it } from "vitest"
import { CONFIG, renderFromSeed } from "../../scripts/render-template.mjs"

it("tenant-template/litellm/config.yaml is up to date (npm run template)", () =>
  expect(readFileSync(CONFIG, "utf8")).toBe(renderFromSeed()))
