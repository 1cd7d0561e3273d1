#!/usr/bin/env node
// Puts a real Open WebUI of one pinned version into a virtual environment of its own, for tests/openwebui.
// Run it by hand to fill the cache beforehand; it prints the path of its Python on stdout.

import { mkdir, readFile, rm, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { capture, run } from "./run-command.mjs"

export const OPEN_WEBUI_VERSION = "0.12.4"

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const REQUIREMENTS = join(ROOT, "scripts", "openwebui-requirements.txt")
const VENV = join(ROOT, ".cache", `open-webui-${OPEN_WEBUI_VERSION}`)
const PYTHON_OF_VENV = join(VENV, "bin", "python")
/** Written last: a folder without it is the rest of an installation that was interrupted. A copy of the requirements. */
const MARKER = join(VENV, "installed.txt")
const OLDEST = 11
const NEWEST = 12

/**
 * Installs Open WebUI unless it is there already (100 MB of download for itself, as much again for its libraries, 0.8 GB on
 * the disk, about a minute).
 * @returns {Promise<string>} path of the Python that can import `open_webui`
 * @throws {Error} with a sentence for people if no fitting Python is found, or pip fails
 */
export async function ensureOpenWebui() {
  const requirements = await readFile(REQUIREMENTS, "utf8")
  if (!requirements.includes(`\nopen-webui==${OPEN_WEBUI_VERSION}\n`)) {
    throw new Error(`${REQUIREMENTS} does not name open-webui==${OPEN_WEBUI_VERSION}`)
  }
  if (await isInstalled(requirements)) return PYTHON_OF_VENV
  const python = await findPython()

  say(`installing Open WebUI ${OPEN_WEBUI_VERSION}, this takes about a minute …`)
  await rm(VENV, { recursive: true, force: true })
  await mkdir(dirname(VENV), { recursive: true })
  await run(python, ["-m", "venv", VENV], "cannot create a virtual environment")
  // Without dependencies: what Open WebUI asks for by itself includes torch, more than two gigabytes.
  const pip = ["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet", "--no-deps", "-r", REQUIREMENTS]
  await run(PYTHON_OF_VENV, pip, "cannot install Open WebUI")
  await writeFile(MARKER, requirements)
  say("Open WebUI is installed.")
  return PYTHON_OF_VENV
}

/** @param {string} requirements */
async function isInstalled(requirements) {
  const marker = await readFile(MARKER, "utf8").catch(() => "")
  if (marker !== requirements) return false
  // The environment remembers where its Python lives; after an upgrade of the system's Python it may be gone.
  return (await capture(PYTHON_OF_VENV, ["-c", ""])).code === 0
}

/** The first Python that Open WebUI runs on: PYTHON if it is set, else the usual names. */
async function findPython() {
  const names = process.env.PYTHON === undefined ? ["python3", "python3.12", "python3.11"] : [process.env.PYTHON]
  const seen = []
  for (const name of names) {
    const answer = await capture(name, ["-c", "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"])
    const [major, minor = 0] = answer.output.trim().split(".").map(Number)
    if (answer.code === 0 && major === 3 && minor >= OLDEST && minor <= NEWEST) return name
    seen.push(answer.code === 0 ? `${name} is ${answer.output.trim()}` : `${name} cannot be used (missing, or without venv)`)
  }
  throw new Error(`Open WebUI needs Python 3.${OLDEST} or 3.${NEWEST} with venv: ${seen.join("; ")}. Install one or set PYTHON.`)
}

/** @param {string} text */
function say(text) {
  process.stderr.write(`setup-openwebui: ${text}\n`)
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    process.stdout.write(`${await ensureOpenWebui()}\n`)
  } catch (error) {
    say(error instanceof Error ? error.message : String(error))
    process.exitCode = 1
  }
}
