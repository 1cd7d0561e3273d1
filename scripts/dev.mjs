// npm run dev: like npm start, and whenever hooks-src/ changes the hooks are built again and the server restarted.
import { spawn } from "node:child_process"
import { watch } from "node:fs"
import path from "node:path"
import { buildHooks, prepare, root } from "./project.mjs"

await prepare()
let child = start()
let timer

function start() {
  return spawn(process.execPath, [path.join(root, "scripts/start.mjs"), ...process.argv.slice(2)], { stdio: "inherit" })
}

watch(path.join(root, "hooks-src"), { recursive: true }, () => {
  clearTimeout(timer)
  timer = setTimeout(() => {
    try {
      buildHooks()
    } catch {
      console.error("the build failed: the former hooks keep running")
      return
    }
    child.once("close", () => {
      child = start()
    })
    child.kill("SIGTERM")
  }, 150)
})
process.on("SIGINT", () => {
  child.once("close", () => process.exit(0))
  child.kill("SIGTERM")
})
