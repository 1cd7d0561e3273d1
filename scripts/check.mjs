// npm run check: format, lint, types of every layer, units with coverage. The one gate before a commit.
import { prepare, runTool } from "./project.mjs"

await prepare()
const steps = [
  ["biome", ["check", "."]],
  ["tsc", ["-p", "hooks-src/contract"]],
  ["tsc", ["-p", "hooks-src/domain"]],
  ["tsc", ["-p", "hooks-src"]],
  ["tsc", ["-p", "portals/sign-in"]],
  ["tsc", ["-p", "."]],
  ["vitest", ["run", "--project", "unit", "--coverage"]],
]
for (const [tool, args] of steps) {
  console.log(`\n▸ ${tool} ${args.join(" ")}`)
  runTool(tool, args)
}
