import { bookChecks, missingTables } from "../../usecases/check-books/check-books"
import type { Finding } from "../../usecases/check-books/run-checks"

/** The command's standard output: the host's console.log writes to the log instead, with a date before each line. */
function say(line: string): void {
  const out = $app.rootCmd?.outOrStdout() as unknown as { writeString: (text: string) => void }
  out.writeString(`${line}\n`)
}

/**
 * Prints a line per invariant, with the rows that break it.
 * @param args optional: the file of acknowledged event ids
 * @returns the exit code: 0 = all hold, 1 = at least one is broken, 2 = something could not be checked
 */
export function runDoctor(args: string[]): number {
  const missing = missingTables()
  if (missing.length > 0) {
    say(`not checked: the data folder has no table ${missing.join(", ")}`)
    return 2
  }
  const broken: string[] = []
  const unchecked: string[] = []
  for (const check of bookChecks(args[0])) {
    const finding = check()
    print(finding)
    if (finding.outcome === "broken") broken.push(finding.id)
    if (finding.outcome === "unchecked") unchecked.push(finding.id)
  }
  if (broken.length > 0) say(`broken: ${broken.join(", ")}`)
  if (unchecked.length > 0) say(`not checked: ${unchecked.join(", ")}`)
  if (broken.length + unchecked.length === 0) say("all invariants hold")
  return broken.length > 0 ? 1 : unchecked.length > 0 ? 2 : 0
}

const WORDS = { ok: "ok ", broken: "BROKEN ", unchecked: "", not_applicable: "" }

function print(finding: Finding): void {
  say(`${finding.id} ${WORDS[finding.outcome]}${finding.summary}`)
  for (const row of finding.rows) say(`  ${row}`)
}
