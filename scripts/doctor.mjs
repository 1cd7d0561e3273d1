// npm run doctor -- DATA_DIR [--acked FILE]: checks the books of any data folder, also while its server runs.
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { ensurePocketBase } from "./fetch-pocketbase.mjs"

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..")
const [dataDir, ...rest] = process.argv.slice(2)
if (!dataDir || !existsSync(path.join(dataDir, "data.db"))) {
  console.error(
    `usage: npm run doctor -- DATA_DIR [--acked FILE]\n${dataDir ? `${dataDir} holds no data.db` : "DATA_DIR is missing"}`,
  )
  process.exit(2)
}
const binary = await ensurePocketBase()
const none = mkdtempSync(path.join(tmpdir(), "cf-doctor-"))
const acked = rest[0] === "--acked" && rest[1] ? [path.resolve(rest[1])] : []
const args = [
  "doctor",
  ...acked,
  "--dir",
  path.resolve(dataDir),
  "--hooksDir",
  path.join(root, "pb_hooks"),
  "--migrationsDir",
  none,
  "--dev=false",
  "--hooksWatch=false",
]
const child = spawn(binary, args, { stdio: "inherit" })
child.on("close", (code) => {
  rmSync(none, { recursive: true, force: true })
  process.exit(code ?? 1)
})
