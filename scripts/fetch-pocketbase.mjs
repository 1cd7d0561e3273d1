// Finds PocketBase, or gets it: $POCKETBASE_BIN → project cache → official release archive (verified) → built from its
// published Go module (verified by Go's checksum database). Every step fails fast and says why the next one is tried.
import { execFile, spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync } from "node:fs"
import { chmod, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { inflateRawSync } from "node:zlib"

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..")
const run = promisify(execFile)

/** The one place that pins the version is package.json → pocketbase.version. */
export async function pinnedVersion() {
  return JSON.parse(await readFile(path.join(root, "package.json"), "utf8")).pocketbase.version
}

/** @returns {Promise<string>} path of a PocketBase executable of the pinned version */
export async function ensurePocketBase(say = (line) => console.error(line)) {
  const version = await pinnedVersion()
  const given = process.env.POCKETBASE_BIN
  if (given) {
    await assertVersion(given, version, "POCKETBASE_BIN")
    return given
  }
  const cached = path.join(
    root,
    ".cache",
    `pocketbase-${version}`,
    process.platform === "win32" ? "pocketbase.exe" : "pocketbase",
  )
  if (existsSync(cached)) return cached
  await mkdir(path.dirname(cached), { recursive: true })
  const reasons = []
  for (const [name, get] of [
    ["official release archive", fromRelease],
    ["Go module", fromGoModule],
  ]) {
    try {
      say(`PocketBase ${version}: trying the ${name} …`)
      const staged = `${cached}.${process.pid}.new`
      await get(version, staged, say)
      await assertVersion(staged, version, name)
      await rename(staged, cached)
      return cached
    } catch (error) {
      reasons.push(`  ${name}: ${error.message.split("\n")[0]}`)
      say(`  not available: ${error.message.split("\n")[0]}`)
    }
  }
  throw new Error(
    `PocketBase ${version} could not be obtained:\n${reasons.join("\n")}\n` +
      "Install Go 1.21 or newer (it is built from its module), or download PocketBase yourself and set POCKETBASE_BIN.",
  )
}

async function assertVersion(binary, version, origin) {
  let out
  try {
    out = (await run(binary, ["--version"], { timeout: 15_000 })).stdout
  } catch (error) {
    throw new Error(`${origin}: ${binary} cannot be run (${error.code ?? error.message})`)
  }
  if (!out.includes(version)) throw new Error(`${origin}: expected version ${version}, found "${out.trim()}"`)
}

async function fromRelease(version, target) {
  const os = { linux: "linux", darwin: "darwin", win32: "windows" }[process.platform]
  const arch = { x64: "amd64", arm64: "arm64" }[process.arch]
  if (!os || !arch) throw new Error(`no release for ${process.platform}/${process.arch}`)
  const name = `pocketbase_${version}_${os}_${arch}.zip`
  const base = `https://github.com/pocketbase/pocketbase/releases/download/v${version}`
  const checksums = (await download(`${base}/checksums.txt`, 5_000)).toString()
  const line = checksums.split("\n").find((l) => l.trim().endsWith(name))
  if (!line) throw new Error(`checksums.txt does not name ${name}`)
  const archive = await download(`${base}/${name}`, 120_000)
  const sum = createHash("sha256").update(archive).digest("hex")
  if (sum !== line.trim().split(/\s+/)[0]) throw new Error("the archive does not match its published checksum")
  await writeFile(target, unzipOne(archive, os === "windows" ? "pocketbase.exe" : "pocketbase"))
  await chmod(target, 0o755)
}

/** The time-out covers connecting too: behind a closed network this must fail within seconds, not hang. */
async function download(url, timeoutMs) {
  const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) }).catch((error) => {
    throw new Error(`cannot be reached (${error.cause?.code ?? error.name})`)
  })
  if (!response.ok) throw new Error(`HTTP ${response.status}`)
  return Buffer.from(await response.arrayBuffer())
}

/** Reads one member through the zip's central directory (APPNOTE 4.3.12); no dependency may be needed before npm ci. */
function unzipOne(zip, name) {
  const end = zip.lastIndexOf(Buffer.from([0x50, 0x4b, 0x05, 0x06]))
  let at = zip.readUInt32LE(end + 16)
  for (let i = zip.readUInt16LE(end + 10); i > 0; i--) {
    const nameLength = zip.readUInt16LE(at + 28)
    const member = zip.toString("utf8", at + 46, at + 46 + nameLength)
    if (member === name) {
      const local = zip.readUInt32LE(at + 42)
      const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28)
      const data = zip.subarray(start, start + zip.readUInt32LE(at + 20))
      return zip.readUInt16LE(at + 10) === 0 ? data : inflateRawSync(data)
    }
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32)
  }
  throw new Error(`the archive holds no ${name}`)
}

async function fromGoModule(version, target, say) {
  try {
    await run("go", ["version"], { timeout: 15_000 })
  } catch {
    throw new Error("no Go toolchain found")
  }
  say("  building with Go (about a minute and a half the first time) …")
  const bin = `${target}.gobin`
  await new Promise((resolve, reject) => {
    const ldflags = `-s -w -X github.com/pocketbase/pocketbase.Version=${version}`
    const child = spawn("go", ["install", "-ldflags", ldflags, `github.com/pocketbase/pocketbase/examples/base@v${version}`], {
      env: { ...process.env, CGO_ENABLED: "0", GOTOOLCHAIN: "auto", GOBIN: bin, GOFLAGS: "" },
      stdio: ["ignore", "ignore", "pipe"],
    })
    let tail = ""
    child.stderr.on("data", (chunk) => (tail = (tail + chunk).slice(-2000)))
    const clock = setInterval(() => say("  … still building"), 20_000)
    child.on("close", (code) => {
      clearInterval(clock)
      code === 0 ? resolve() : reject(new Error(`go install failed: ${tail.trim().split("\n").pop()}`))
    })
    child.on("error", reject)
  })
  await rename(path.join(bin, process.platform === "win32" ? "base.exe" : "base"), target)
  await rm(bin, { recursive: true, force: true })
}

/** Writes PocketBase's own type declarations, which the pinned binary prints on every boot, to .cache/ for tsc. */
export async function ensureTypes(binary) {
  const version = await pinnedVersion()
  const target = path.join(root, ".cache", `pocketbase-${version}`, "types.d.ts")
  if (existsSync(target)) return target
  const dir = path.join(root, ".cache", `types-${process.pid}`)
  try {
    await run(
      binary,
      ["migrate", "history-sync", "--dir", dir, "--hooksDir", `${dir}/none`, "--migrationsDir", `${dir}/none`, "--dev=false"],
      { timeout: 30_000 },
    )
    await mkdir(path.dirname(target), { recursive: true })
    await rename(path.join(dir, "types.d.ts"), target)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
  return target
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const binary = await ensurePocketBase()
  await ensureTypes(binary)
  console.log(binary)
}
