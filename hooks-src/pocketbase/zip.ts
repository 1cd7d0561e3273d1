import { type Zippable, zipSync } from "fflate/browser"

export interface ZipEntry {
  /** Inside the archive, with slashes. */
  path: string
  bytes: Uint8Array
  /** Unix permissions, e.g. 0o600. */
  mode: number
}

const UNIX = 3
const REGULAR_FILE = 0o100000

/** A zip archive. The same entries and time, the same bytes. @param mtime of every file; local time, as zip has it */
export function zip(files: readonly ZipEntry[], mtime: Date): Uint8Array {
  const entries: Zippable = {}
  for (const { path, bytes, mode } of files) entries[path] = [bytes, { mtime, os: UNIX, attrs: (REGULAR_FILE | mode) << 16 }]
  // Stored, not deflated: 100 KB once in a while are not worth a second of a virtual machine.
  return zipSync(entries, { level: 0 })
}
