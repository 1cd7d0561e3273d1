// npm run template: renders tenant-template/litellm/config.yaml from the committed price book, as a tenant without products gets it.
import { readFileSync, writeFileSync } from "node:fs"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { renderLitellmConfig } from "../hooks-src/domain/litellm-config.ts"

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..")
export const CONFIG = path.join(root, "tenant-template/litellm/config.yaml")

/** @returns {string} the text that the file must have */
export function renderFromSeed() {
  const { entries } = JSON.parse(readFileSync(path.join(root, "scripts/prices/seed.json"), "utf8"))
  const models = entries.map(({ model, provider, kind, max_output_tokens = 0 }) => ({
    model,
    provider,
    kind,
    maxOutputTokens: max_output_tokens,
  }))
  return renderLitellmConfig({ models })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(CONFIG, renderFromSeed())
