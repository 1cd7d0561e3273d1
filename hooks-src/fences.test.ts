/** The rules of the house that the compiler and the linter cannot say. */
import { readdirSync, readFileSync } from "node:fs"
import path from "node:path"
import { describe, expect, it } from "vitest"

const root = path.dirname(new URL(import.meta.url).pathname)
const files = readdirSync(root, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts") && !name.endsWith(".d.ts"))
  .map((name) => ({ name, layer: name.split(path.sep)[0] as string, text: readFileSync(path.join(root, name), "utf8") }))

/** entry → usecases → { domain, pocketbase }, pocketbase → domain, domain → contract. */
const MAY_IMPORT: Record<string, string[]> = {
  contract: ["contract"],
  domain: ["domain", "contract"],
  pocketbase: ["pocketbase", "domain", "contract"],
  usecases: ["usecases", "pocketbase", "domain", "contract"],
  entry: ["entry", "usecases", "pocketbase", "domain", "contract"],
}

it.each(files)("$name imports only from the layers below it", ({ name, layer, text }) => {
  for (const [, target] of text.matchAll(/from "(\.[^"]+)"/g)) {
    const imported = path.normalize(path.join(path.dirname(name), target as string)).split(path.sep)[0] as string
    expect(MAY_IMPORT[layer], `${name} imports ${target}`).toContain(imported)
  }
})

it.each(files)("$name has at most 250 lines", ({ text }) => expect(text.split("\n").length).toBeLessThanOrEqual(251))

describe("pure layers know no host, clock, chance or secret", () => {
  it.each(files.filter((file) => file.layer === "domain" || file.layer === "contract"))("$name", ({ text }) => {
    const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "")
    expect(code).not.toMatch(/\$app|\$os|\$security|\$http|Date\.now|new Date\(\)|Math\.random|process\.|console\./)
  })
})

describe("inside a transaction only tx touches the database ($app would wait for itself for ever)", () => {
  it.each(files.filter((file) => /transaction\(|runInTransaction\(/.test(file.text)))("$name", ({ text }) => {
    for (const match of text.matchAll(/(?:transaction|runInTransaction)\(\((tx)?[^)]*\) => /g)) {
      expect(bodyFrom(text, match.index + match[0].length)).not.toContain("$app")
    }
  })
  it("functions that take tx never name $app", () => {
    for (const { name, text } of files) {
      for (const match of text.matchAll(/function \w+\(\s*tx: Db[^{]*\{/g)) {
        expect(bodyFrom(text, match.index + match[0].length - 1), name).not.toContain("$app")
      }
    }
  })
})

/** From an opening brace (or an expression) to where it closes. */
function bodyFrom(text: string, start: number): string {
  let depth = 0
  for (let at = start; at < text.length; at++) {
    if ("{(".includes(text[at] as string)) depth += 1
    if ("})".includes(text[at] as string)) depth -= 1
    if (depth <= 0 && at > start) return text.slice(start, at + 1)
  }
  return text.slice(start)
}

it("main.pb.ts holds trampolines only: nothing of it is visible inside a handler", () => {
  const main = files.find((file) => file.name === path.join("entry", "main.pb.ts"))?.text ?? ""
  expect(main).not.toMatch(/^(import|const|let|function) /m)
  expect(main).not.toMatch(/async /)
})

it("no handler of the host is async: a throw inside one answers 200 with an empty body", () => {
  for (const { name, text } of files) expect(text, name).not.toMatch(/\basync (function|\()/)
})
