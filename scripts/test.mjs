// npm test: installs what is missing, then everything: format, lint, types, units, money mutants, real PocketBase, real Chromium, the gate's Python, real LiteLLM.
import { execFileSync } from "node:child_process"
import path from "node:path"
import { ensureDependencies, root, runTool } from "./project.mjs"

ensureDependencies()
const node = (script) => execFileSync(process.execPath, [path.join(root, "scripts", script)], { cwd: root, stdio: "inherit" })
console.log("▸ check")
node("check.mjs")
console.log("\n▸ money mutants")
node("mutation-check.mjs")
console.log("\n▸ real PocketBase")
runTool("vitest", ["run", "--project", "platform"])
console.log("\n▸ real Chromium")
node("setup-chromium.mjs")
runTool("vitest", ["run", "--project", "e2e"])
console.log("\n▸ the gate's Python")
node("test-template.mjs")
console.log("\n▸ real LiteLLM")
node("setup-litellm.mjs")
runTool("vitest", ["run", "--project", "litellm"])
console.log("\nEverything passed.")
