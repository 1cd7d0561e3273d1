/** The stack's `.env`: the template's example with values filled in, so that each one keeps the comment that explains it. */

const LINE = /^([A-Z][A-Z0-9_]*)=(.*)$/
/** No quote, blank, dollar, hash or backslash: such a value would mean something else to one of the programs that read `.env`. */
const HARMLESS = /^[A-Za-z0-9._:/@,*+=-]*$/

/**
 * @param example the template's .env.example
 * @param values by variable; variables that are not named keep what the example says
 * @throws Error for a variable that the example does not have, or a value that is not safe in an .env file
 */
export function fillEnv(example: string, values: Readonly<Record<string, string>>): string {
  const missing = new Set(Object.keys(values))
  const lines = example.split("\n").map((line) => {
    const name = LINE.exec(line)?.[1]
    const value = name === undefined ? undefined : values[name]
    if (name === undefined || value === undefined) return line
    if (!HARMLESS.test(value)) throw new Error(`the value of ${name} holds a character that is not safe in an .env file`)
    missing.delete(name)
    return `${name}=${value}`
  })
  if (missing.size > 0) throw new Error(`the template's .env.example has no ${[...missing].join(", ")}`)
  return lines.join("\n")
}

/** A host name in small letters with at least one dot, as certificates and redirect addresses need it. */
export function isHostName(text: string): boolean {
  return text.length <= 253 && /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$/.test(text)
}
