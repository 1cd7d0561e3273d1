// npm run test:template: format, lint, types and tests of the Python that runs inside each tenant's LiteLLM.
import { execFileSync } from "node:child_process"
import path from "node:path"
import { root } from "./project.mjs"
import { ensureLitellm } from "./setup-litellm.mjs"

const folder = path.join(root, "tenant-template", "litellm")
const bin = path.dirname(await ensureLitellm())
// The folder is copied into bundles: nothing of a test run may stay in it.
const env = { ...process.env, PYTHONDONTWRITEBYTECODE: "1" }
const python = (...args) => execFileSync(path.join(bin, "python"), ["-m", ...args], { cwd: folder, env, stdio: "inherit" })

const steps = [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"], ["pytest", "-q"]]
for (const step of steps) {
  console.log(`▸ ${step.join(" ")}`)
  try {
    python(...step)
  } catch (error) {
    // The tool has said why on its own.
    process.exit(error.status ?? 1)
  }
}
