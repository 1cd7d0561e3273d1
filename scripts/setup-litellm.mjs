#!/usr/bin/env node
// Puts a real LiteLLM proxy of one pinned version into a virtual environment of its own, for tests/litellm and for the
// gate in tenant-template/litellm, together with the pinned tools that check the gate's Python.
// Run it by hand to fill the cache beforehand; it prints the path of the executable on stdout.

import { access, mkdir, readFile, rm, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { capture, run } from "./run-command.mjs"

export const LITELLM_VERSION = "1.106.2"

const REQUIREMENT = `litellm[proxy]==${LITELLM_VERSION}`
const TOOLS = ["ruff==0.17.6", "mypy==2.4.1", "pytest==9.2.0", "pytest-asyncio==1.5.0"]
const EVERYTHING = [REQUIREMENT, ...TOOLS]
const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const VENV = join(ROOT, ".cache", `litellm-${LITELLM_VERSION}`)
const EXECUTABLE = join(VENV, "bin", "litellm")
/** Written last: a folder without it is the rest of an installation that was interrupted. One requirement a line. */
const MARKER = join(VENV, "installed.txt")

/**
 * Installs LiteLLM unless it is there already (about two minutes the first time).
 * @returns {Promise<string>} path of the `litellm` executable
 * @throws {Error} with a sentence for people if Python is missing or too old, or pip fails
 */
export async function ensureLitellm() {
  const python = process.env.PYTHON ?? "python3"
  const installed = await installedRequirements()
  if (EVERYTHING.every((requirement) => installed.includes(requirement))) return EXECUTABLE

  // A change of the tools alone must not cost a new environment: a proxy may be running from this one.
  if (!installed.includes(REQUIREMENT)) {
    await requirePython(python)
    say(`installing ${REQUIREMENT}, this takes about two minutes …`)
    await rm(VENV, { recursive: true, force: true })
    await mkdir(dirname(VENV), { recursive: true })
    await run(python, ["-m", "venv", VENV], "cannot create a virtual environment")
  }
  const pip = ["-m", "pip", "install", "--disable-pip-version-check", "--no-input", ...EVERYTHING]
  await run(join(VENV, "bin", "python"), pip, `cannot install ${EVERYTHING.join(", ")}`)
  await access(EXECUTABLE)
  await writeFile(MARKER, `${EVERYTHING.join("\n")}\n`)
  say("LiteLLM is installed.")
  return EXECUTABLE
}

/** @returns {Promise<string[]>} what the marker says, nothing if the environment cannot be used */
async function installedRequirements() {
  const marker = await readFile(MARKER, "utf8").catch(() => "")
  // The environment remembers where its Python lives; after an upgrade of the system's Python it may be gone.
  const answer = await capture(join(VENV, "bin", "python"), ["-c", ""])
  return answer.code === 0 ? marker.trim().split("\n") : []
}

/** @param {string} python */
async function requirePython(python) {
  const check = "import sys; print('%d.%d' % sys.version_info[:2])"
  const version = await capture(python, ["-c", check])
  if (version.code !== 0) {
    throw new Error(`LiteLLM needs Python 3.10 or newer; "${python}" cannot be run. Install it or set PYTHON.`)
  }
  const [major = 0, minor = 0] = version.output.trim().split(".").map(Number)
  if (major < 3 || (major === 3 && minor < 10)) {
    throw new Error(`LiteLLM needs Python 3.10 or newer; "${python}" is ${version.output.trim()}.`)
  }
  const venv = await capture(python, ["-c", "import venv, ensurepip"])
  if (venv.code !== 0) {
    throw new Error(`"${python}" has no venv module. On Debian and Ubuntu: apt-get install python3-venv`)
  }
}

/** @param {string} text */
function say(text) {
  process.stderr.write(`setup-litellm: ${text}\n`)
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    process.stdout.write(`${await ensureLitellm()}\n`)
  } catch (error) {
    say(error instanceof Error ? error.message : String(error))
    process.exitCode = 1
  }
}
