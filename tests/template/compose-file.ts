/** The tenant's compose file as Compose reads it: parsed, then every variable in a value replaced. */
import { readFileSync } from "node:fs"
import path from "node:path"
import { parse } from "yaml"
import { root } from "../support/platform"

export type Variables = Readonly<Record<string, string>>

export interface Service {
  image: string
  command?: string[]
  environment: Record<string, string>
  volumes: string[]
  labels: string[]
  healthcheck: { test: string[] }
  depends_on?: Record<string, unknown>
  [key: string]: unknown
}

export interface ComposeFile {
  services: Record<string, Service>
  volumes: Record<string, unknown>
}

export const read = (name: string) => readFileSync(path.join(root, "tenant-template", name), "utf8")

/** $NAME or ${NAME}, with -, :-, ? or :? and what follows; $$ is a dollar. Nothing is nested in this file. */
const VARIABLE = /\$(?:\$|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?[-?])([^}]*))?\})/g

/** @throws Error `NAME: message` for a required variable that is missing, and for any variable that has neither value nor default */
export function interpolate(text: string, variables: Variables): string {
  return text.replace(VARIABLE, (_all, plain?: string, braced?: string, operator?: string, rest = "") => {
    const name = plain ?? braced
    if (name === undefined) return "$"
    const value = variables[name]
    const missing = value === undefined || (operator?.startsWith(":") === true && value === "")
    if (!missing) return value
    if (operator?.endsWith("-")) return rest
    throw new Error(`${name}: ${operator ? rest : "is not set"}`)
  })
}

export function loadCompose(variables: Variables): ComposeFile {
  const inside = (node: unknown): unknown => {
    if (typeof node === "string") return interpolate(node, variables)
    if (Array.isArray(node)) return node.map(inside)
    if (typeof node !== "object" || node === null) return node
    return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, inside(value)]))
  }
  // Merge keys and anchors are resolved by the parser, as Compose does before it looks for variables.
  return inside(parse(read("docker-compose.yml"), { merge: true })) as ComposeFile
}

/** NAME=value lines of .env.example, in their order. */
export function exampleVariables(): Record<string, string> {
  return Object.fromEntries(
    [...read(".env.example").matchAll(/^([A-Z][A-Z0-9_]*)=(.*)$/gm)].map(([, name, value]) => [name, value]),
  )
}

/** The example as a bundle and an operator leave it: nothing required is empty. */
export function filledVariables(): Record<string, string> {
  const filled = Object.entries(exampleVariables()).map(([name, value]) => [
    name,
    value === "" ? `x-${name.toLowerCase()}` : value,
  ])
  return {
    ...Object.fromEntries(filled),
    ...{ TENANT_SLUG: "alpha", TENANT_DOMAIN: "alpha.cloudfreedom.example", POCKETBASE_URL: "https://api.cloudfreedom.example" },
  }
}
