/** Opens a zip with Python's zipfile: a second implementation, so that a test never believes our own writer. */
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"

export interface Member {
  name: string
  text: string
  /** Unix permissions. */
  mode: number
}

const READ = `import json,sys,zipfile
with zipfile.ZipFile(sys.argv[1]) as z:
    assert z.testzip() is None
    print(json.dumps([{"name": i.filename, "text": z.read(i).decode("utf-8"), "mode": (i.external_attr >> 16) & 0o777} for i in z.infolist()]))`

export function readZip(bytes: Uint8Array): Member[] {
  return inFolder((folder) => {
    const file = path.join(folder, "a.zip")
    writeFileSync(file, bytes)
    return JSON.parse(execFileSync("python3", ["-c", READ, file], { maxBuffer: 1 << 26 }).toString()) as Member[]
  })
}

/** Unpacks as a person would and runs a command in there; answers its output. */
export function unpackAndRun(bytes: Uint8Array, command: string, args: string[]): string {
  return inFolder((folder) => {
    writeFileSync(path.join(folder, "a.zip"), bytes)
    execFileSync("python3", ["-m", "zipfile", "-e", "a.zip", "."], { cwd: folder })
    return execFileSync(command, args, { cwd: folder }).toString()
  })
}

function inFolder<T>(work: (folder: string) => T): T {
  const folder = mkdtempSync(path.join(tmpdir(), "cf-zip-"))
  try {
    return work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
