// Gets the official schema of Compose files out of compose-go, the library that Docker Compose itself reads them with. As a Go
// module, because Go's checksum database then vouches for it; Go is needed anyway where PocketBase's release cannot be downloaded.
import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { copyFile, mkdir, rename } from "node:fs/promises"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const MODULE = "github.com/compose-spec/compose-go/v2"
const VERSION = "v2.16.2"

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..")
const run = promisify(execFile)

/** @returns {Promise<string>} path of compose-spec.json @throws {Error} with a sentence for people if there is no Go or no module */
export async function ensureComposeSchema() {
  const cached = path.join(root, ".cache", `compose-spec-${VERSION}.json`)
  if (existsSync(cached)) return cached
  const { stdout } = await run("go", ["mod", "download", "-json", `${MODULE}@${VERSION}`], {
    cwd: path.parse(root).root,
    env: { ...process.env, GOFLAGS: "" },
    timeout: 120_000,
  }).catch((error) => {
    throw new Error(
      `The schema of Compose files could not be obtained: it needs Go 1.21 or newer (${error.code ?? error.message})`,
    )
  })
  await mkdir(path.dirname(cached), { recursive: true })
  const staged = `${cached}.${process.pid}.new`
  await copyFile(path.join(JSON.parse(stdout).Dir, "schema/compose-spec.json"), staged)
  await rename(staged, cached)
  return cached
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(await ensureComposeSchema())
