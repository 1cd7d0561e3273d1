import { ApiProblem } from "../contract/error-codes"
import { DEFAULT_PROVIDERS, KNOWN_PROVIDERS, renderLitellmConfig } from "../domain/litellm-config"
import { readModelList } from "../domain/model-access"
import { fillEnv, isHostName } from "../domain/stack-env"
import { chooseStackModels, type StackModels } from "../domain/stack-models"
import type { Caller } from "../pocketbase/auth"
import { utf8Bytes } from "../pocketbase/bytes"
import { dbTime, nowMs } from "../pocketbase/clock"
import { transaction } from "../pocketbase/db"
import { wholeBook } from "../pocketbase/stores/model-prices"
import { type BundleTenant, findBundleTenant, productModelLists } from "../pocketbase/stores/stack-facts"
import type { TenantStack } from "../pocketbase/stores/tenant-stacks"
import { zip } from "../pocketbase/zip"
import { refreshStack } from "./refresh-stack"

export interface Bundle {
  fileName: string
  bytes: Uint8Array
}

interface TextFile {
  path: string
  text: string
  mode: number
}

/** Of every file in the archive, so that two bundles differ in bytes only where they differ in content. */
const FILE_TIME = new Date(2026, 0, 1)

/**
 * Everything that a tenant's stack needs, provider keys excepted. What was given out before stays valid unless it is rotated.
 * @param rotate names of secrets to replace
 * @param platformUrl where the stack reaches this server, without a slash at the end
 * @param template the files of tenant-template/ by their path
 * @throws ApiProblem not_found; conflict for a tenant that cannot have a stack, naming the field; invalid_field for `rotate`
 */
export function prepareTenantBundle(
  caller: Caller,
  tenantId: string,
  rotate: readonly string[],
  platformUrl: string,
  template: Readonly<Record<string, string>>,
): Bundle {
  const prepared = transaction((tx) => {
    const tenant = deployableTenant(findBundleTenant(tx, tenantId))
    const providers = configuredProviders(tenant.services)
    const lists = productModelLists(tx, tenantId).map(readModelList)
    const models = chooseStackModels(wholeBook(tx, dbTime(nowMs())), lists, providers)
    return { tenant, providers, models, stack: refreshStack(tx, caller, tenant, rotate) }
  })
  const { tenant, stack, models, providers } = prepared
  const env = fillEnv(templateFile(template, ".env.example"), envValues(tenant, stack, models, platformUrl))
  const config = renderLitellmConfig({ models: models.offered, providers })
  const files = withChecksums([
    ...templateFiles(template),
    readable("litellm/config.yaml", config),
    { path: ".env", text: env, mode: 0o600 },
  ])
  const entries = files.map(({ path, text, mode }) => ({ path, bytes: utf8Bytes(text), mode }))
  return { fileName: `${tenant.slug}-stack.zip`, bytes: zip(entries, FILE_TIME) }
}

/** A suspended tenant keeps its stack, and a secret that leaked must be replaced just then. */
function deployableTenant(tenant: BundleTenant | null): BundleTenant {
  if (!tenant) throw new ApiProblem("not_found", "there is no such tenant")
  if (tenant.status === "deleted") throw new ApiProblem("conflict", "a deleted tenant has no stack", { path: "status" })
  if (!isHostName(tenant.domain)) {
    const message = 'the tenant\'s domain must be a host name in small letters, such as "acme.cloudfreedom.de"'
    throw new ApiProblem("conflict", message, { path: "domain" })
  }
  return tenant
}

function configuredProviders(services: unknown): readonly string[] {
  const named =
    typeof services === "object" && services !== null && "providers" in services ? services.providers : DEFAULT_PROVIDERS
  if (Array.isArray(named) && named.every((name) => KNOWN_PROVIDERS.includes(name))) return named
  const message = `the tenant's services.providers must be a list of: ${KNOWN_PROVIDERS.join(", ")}`
  throw new ApiProblem("conflict", message, { path: "services.providers" })
}

function envValues(tenant: BundleTenant, stack: TenantStack, models: StackModels, platformUrl: string): Record<string, string> {
  return {
    ...stack.secrets,
    TENANT_SLUG: tenant.slug,
    TENANT_DOMAIN: tenant.domain,
    POCKETBASE_URL: platformUrl,
    BILLING_API_URL: platformUrl,
    OAUTH_CLIENT_ID: stack.oauthClientId,
    WEBUI_ADMIN_EMAIL: stack.adminEmail,
    CHAT_LOCALE: tenant.language === "en" ? "en-GB" : "de-DE",
    CHAT_TASK_MODEL: models.taskModel,
    CHAT_EMBEDDING_MODEL: models.embeddingModel,
    CHAT_WHOLE_DOCUMENTS: models.embeddingModel === "" ? "true" : "false",
  }
}

function templateFile(template: Readonly<Record<string, string>>, path: string): string {
  const text = template[path]
  if (text === undefined) throw new Error(`the template has no ${path}`)
  return text
}

/** What goes into every bundle as it is: the example's place is taken by .env, the committed config's by the tenant's own. */
function templateFiles(template: Readonly<Record<string, string>>): TextFile[] {
  const replaced = [".env.example", "litellm/config.yaml"]
  return Object.entries(template)
    .filter(([path]) => !replaced.includes(path))
    .map(([path, text]) => readable(path, text))
}

/** LiteLLM's container has no right to read what only its owner may. */
function readable(path: string, text: string): TextFile {
  return { path, text, mode: 0o644 }
}

/** The sums come first: what is unpacked can be checked by `sha256sum -c SHA256SUMS`. */
function withChecksums(files: TextFile[]): TextFile[] {
  const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : 1))
  const sums = sorted.map(({ path, text }) => `${$security.sha256(text)}  ${path}\n`).join("")
  return [readable("SHA256SUMS", sums), ...sorted]
}
