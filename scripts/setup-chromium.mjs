#!/usr/bin/env node
// Finds a Chromium for the browser tests, or installs Debian's and Ubuntu's package where that can be done (as root).
// Playwright's own builds are not used: they come from a server of their own, which not every network reaches.

import { execFileSync, spawnSync } from "node:child_process"
import { accessSync, constants } from "node:fs"
import { delimiter, join } from "node:path"
import { pathToFileURL } from "node:url"

const NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome"]
const PLACES = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
]

/**
 * CHROMIUM_PATH, or the first Chromium or Chrome on this machine; on a Debian without one it is installed.
 * @returns {string} path of the executable
 * @throws {Error} with a sentence for people if there is none and none can be installed
 */
export function ensureChromium() {
  const given = process.env.CHROMIUM_PATH ?? ""
  if (given !== "") {
    if (!isExecutable(given)) throw new Error(`CHROMIUM_PATH ${given} cannot be run`)
    return given
  }
  const found = findChromium()
  if (found) return found
  if (process.getuid?.() !== 0 || !onPath("apt-get")) {
    throw new Error(
      "The browser tests need Chromium or Chrome. Install it (Debian, Ubuntu: apt-get install chromium) or set CHROMIUM_PATH.",
    )
  }
  process.stderr.write("setup-chromium: installing Chromium, this takes about a minute …\n")
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" }
  spawnSync("apt-get", ["update", "-q"], { stdio: ["ignore", 2, 2], env })
  execFileSync("apt-get", ["install", "-y", "-q", "--no-install-recommends", "chromium"], { stdio: ["ignore", 2, 2], env })
  const installed = findChromium()
  if (!installed) throw new Error("The chromium package was installed, but no chromium can be found.")
  return installed
}

function findChromium() {
  return NAMES.map(onPath).find(Boolean) ?? PLACES.find(isExecutable)
}

/** @param {string} name */
function onPath(name) {
  return (process.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find(isExecutable)
}

/** @param {string} file */
function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    process.stdout.write(`${ensureChromium()}\n`)
  } catch (error) {
    process.stderr.write(`setup-chromium: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}
