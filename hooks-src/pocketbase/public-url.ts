import { isProduction } from "./configuration"
import { host } from "./request"

/**
 * Where this server is reached from outside, without a slash at the end: POCKETBASE_URL, or what the request was sent to.
 * Only ever told to the caller who sent that request: nothing is stored or sent elsewhere with a name that came from outside.
 */
export function publicUrl(e: core.RequestEvent): string {
  const configured = $os.getenv("POCKETBASE_URL").replace(/\/+$/, "")
  if (configured !== "") return configured
  const asked = host(e)
  const name = /^[A-Za-z0-9.:[\]-]{1,260}$/.test(asked) ? asked : "localhost"
  return `${isProduction() ? "https" : "http"}://${name}`
}
