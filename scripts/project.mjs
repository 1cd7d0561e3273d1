// What every command needs first, with nothing but Node: dependencies, the hooks bundle, PocketBase.
import { execFileSync } from "node:child_process"
import { existsSync, statSync } from "node:fs"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { ensurePocketBase, ensureTypes } from "./fetch-pocketbase.mjs"

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..")

/** Runs npm ci only when the lock file is newer than what is installed: a second start takes seconds. */
export function ensureDependencies() {
  const installed = path.join(root, "node_modules/.package-lock.json")
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(path.join(root, "package-lock.json")).mtimeMs) return
  console.error("Installing dependencies …")
  execFileSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
    shell: process.platform === "win32",
  })
}

export function buildHooks() {
  execFileSync(process.execPath, ["--import", "tsx", path.join(root, "build.ts")], { cwd: root, stdio: "inherit" })
}

/** @returns {Promise<string>} the PocketBase executable, with dependencies installed and hooks built */
export async function prepare() {
  ensureDependencies()
  const binary = await ensurePocketBase()
  await ensureTypes(binary)
  buildHooks()
  return binary
}

/** Runs one of the project's own tools and throws if it fails. */
export function runTool(name, args, env = {}) {
  execFileSync(path.join(root, "node_modules/.bin", name), args, {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, ...env },
    shell: process.platform === "win32",
  })
}
