/** The guarantee: the tenant's compose file is a valid one, asks for nothing that nobody explains, and opens no second door. */
import { readFileSync } from "node:fs"
import path from "node:path"
import { Ajv2020 } from "ajv/dist/2020.js"
import { beforeAll, describe, expect, it } from "vitest"
import { parse } from "yaml"
import { ensureComposeSchema } from "../../scripts/fetch-compose-schema.mjs"
import { LITELLM_VERSION } from "../../scripts/setup-litellm.mjs"
import { exampleVariables, filledVariables, interpolate, loadCompose, read, type Service } from "./compose-file"

const REQUIRED = [
  ...[
    "TENANT_SLUG",
    "TENANT_DOMAIN",
    "POCKETBASE_URL",
    "BILLING_API_URL",
    "OPENAI_API_KEY",
    "LITELLM_MASTER_KEY",
    "CF_INGEST_KEY",
  ],
  ...["CF_OWUI_KEY", "CF_OWUI_JWT_SECRET", "WEBUI_SECRET_KEY", "WEBUI_ADMIN_EMAIL", "WEBUI_ADMIN_PASSWORD", "OAUTH_CLIENT_ID"],
  ...["OAUTH_CLIENT_SECRET", "SCIM_TOKEN"],
]
/** The names that the owner gave to a tenant's variables. */
const OWNERS = [
  ...["TENANT_SLUG", "TENANT_DOMAIN", "POCKETBASE_URL", "BILLING_API_URL", "LITELLM_MASTER_KEY", "OPENAI_API_KEY"],
  "ANTHROPIC_API_KEY",
]
const compose = loadCompose(filledVariables())
const service = (name: string) => compose.services[name] as Service
const litellm = service("litellm")
const chat = service("open-webui")

describe("the official schema", () => {
  let problems: (file: unknown) => string[]
  beforeAll(async () => {
    const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false })
    const validate = ajv.compile(JSON.parse(readFileSync(await ensureComposeSchema(), "utf8")))
    problems = (file) => (validate(file) ? [] : (validate.errors ?? []).map((error) => `${error.instancePath} ${error.message}`))
  })

  it("accepts the file with every variable set", () => expect(problems(compose)).toEqual([]))

  it("accepts it with nothing but the required ones", () => {
    const filled = filledVariables()
    expect(problems(loadCompose(Object.fromEntries(REQUIRED.map((name) => [name, filled[name] as string]))))).toEqual([])
  })

  it.each([
    ["a misspelt key", { ...litellm, imagee: "x" }],
    ["a wrong type", { ...litellm, environment: 1 }],
    ["a duration that is none", { ...litellm, restart: 5 }],
  ])("would refuse %s", (_name, broken) => {
    expect(problems({ ...compose, services: { litellm: broken } })).not.toEqual([])
  })

  it("is not asked about references: those are there", () => {
    const mounted = Object.values(compose.services).flatMap(({ volumes }) =>
      volumes.map((volume) => volume.split(":")[0] as string),
    )
    expect(mounted.filter((source) => /^[a-z-]+$/.test(source)).sort()).toEqual(Object.keys(compose.volumes).sort())
    for (const { depends_on } of Object.values(compose.services))
      for (const name of Object.keys(depends_on ?? {})) expect(Object.keys(compose.services)).toContain(name)
  })
})

describe("variables", () => {
  // The words of the file's comments are not the file: look where Compose looks.
  const used = new Set(
    [...JSON.stringify(parse(read("docker-compose.yml"))).matchAll(/\$\{([A-Z][A-Z0-9_]*)/g)].map(([, name]) => name),
  )

  it("of the compose file and of .env.example are the same", () =>
    expect(Object.keys(exampleVariables()).sort()).toEqual([...used].sort()))

  it("include all that the owner named", () => expect(Object.keys(exampleVariables())).toEqual(expect.arrayContaining(OWNERS)))

  it("have one comment each, right above", () => {
    const lines = read(".env.example").split("\n")
    const bare = lines.filter((line, i) => /^[A-Z]/.test(line) && !/^# .{3,}\.$/.test(lines[i - 1] ?? ""))
    expect(bare).toEqual([])
  })

  it("have in .env.example the value that the compose file would take", () => {
    const text = read("docker-compose.yml")
    for (const [name, value] of Object.entries(exampleVariables())) {
      for (const [, fallback] of text.matchAll(new RegExp(`\\$\\{${name}:-([^}]*)\\}`, "g")))
        expect(`${name}=${value === "" ? fallback : value}`).toBe(`${name}=${fallback}`)
    }
  })

  it.each(REQUIRED)("%s is required: empty or missing, the stack does not start and says so", (name) => {
    const { [name]: _without, ...others } = filledVariables()
    expect(() => loadCompose({ ...others, [name]: "" })).toThrow(`${name}: ${name} is empty`)
    expect(() => loadCompose(others)).toThrow(name)
  })

  it("that are not required may all be empty", () => {
    const filled = filledVariables()
    const others = Object.keys(filled).filter((name) => !REQUIRED.includes(name))
    expect(others.length).toBeGreaterThan(10)
    expect(() => loadCompose({ ...filled, ...Object.fromEntries(others.map((name) => [name, ""])) })).not.toThrow()
  })

  it.each([
    [`\${A}`, "a"],
    ["$A", "a"],
    [`\${A:-d}`, "a"],
    [`\${B:-d}`, "d"],
    [`\${B-d}`, ""],
    [`\${C-d}`, "d"],
    [`\${C:-}`, ""],
    ["$$A", "$A"],
    [`x\${A}y\${A:?m}`, "xaya"],
  ])("are replaced as Compose does: %s is %j", (text, expected) => expect(interpolate(text, { A: "a", B: "" })).toBe(expected))
})

describe.each(Object.entries(compose.services))("%s", (_name, running) => {
  it("is pinned to one version", () => expect(running.image).toMatch(/^ghcr\.io\/[a-z-]+\/[a-z-]+:v\d+\.\d+\.\d+$/))
  it("has limits, a bounded log, comes back by itself and can gain no rights", () =>
    expect(running).toMatchObject({
      restart: "unless-stopped",
      mem_limit: expect.stringMatching(/^\dg$/),
      pids_limit: expect.any(Number),
      logging: { options: { "max-size": "10m", "max-file": "5" } },
      security_opt: ["no-new-privileges:true"],
    }))
  it("publishes no port of its own", () =>
    expect([running.ports, running.network_mode, running.networks]).toEqual([undefined, undefined, undefined]))
})

describe("LiteLLM", () => {
  it("is the version that the tests run, and none of the malicious ones", () => {
    expect(litellm.image).toBe(`ghcr.io/berriai/litellm:v${LITELLM_VERSION}`)
    const [major, minor, patch] = LITELLM_VERSION.split(".").map(Number) as [number, number, number]
    expect(major * 1e6 + minor * 1e3 + patch).toBeGreaterThanOrEqual(1_083_014)
  })

  it("has a health check that calls no model", () => {
    const test = litellm.healthcheck.test.join(" ")
    expect(test).toContain("/health/liveliness")
    expect(test).not.toMatch(/\/health['" ]/)
  })

  it("has no variable that opens a pass-through route", () =>
    expect(Object.keys(litellm.environment).filter((name) => /_API_KEY$|_API_BASE$|_BASE_URL$/.test(name))).toEqual([]))

  it("has a key for every provider of its configuration", () => {
    const { model_list } = parse(read("litellm/config.yaml")) as { model_list: { litellm_params: { api_key: string } }[] }
    const asked = new Set(model_list.map((entry) => entry.litellm_params.api_key.replace("os.environ/", "")))
    expect(asked.size).toBeGreaterThan(1)
    for (const name of asked) expect(Object.keys(litellm.environment)).toContain(name)
  })

  it("finds the gate on PYTHONPATH and not beside its configuration, where it would run once per mention", () => {
    const config = litellm.command?.[litellm.command.indexOf("--config") + 1] as string
    const folders = litellm.volumes.filter((volume) => volume.startsWith("./litellm:")).map((volume) => volume.split(":")[1])
    expect(folders.sort()).toEqual([path.dirname(config), litellm.environment.PYTHONPATH].sort())
    expect(litellm.tmpfs).toEqual([`${path.dirname(config)}/cf_gate`])
  })

  it("mounts folders only, and nothing of the server that it could change: Coolify makes folders of mounted files", () => {
    const bound = Object.values(compose.services).flatMap(({ volumes }) => volumes.filter((volume) => /^[./]/.test(volume)))
    expect(bound.length).toBeGreaterThan(0)
    for (const volume of bound) expect(volume).toMatch(/^\.\/litellm:\/[a-z/]+:ro$/)
  })

  it("keeps its spool in a volume, and gets a minute to end", () => {
    const folder = (litellm.environment.CF_SPOOL_PATH as string).replace(/\/[^/]+$/, "")
    expect(litellm.volumes).toContain(`litellm-data:${folder}`)
    expect(litellm.stop_grace_period).toBe("60s")
  })
})

describe("Open WebUI", () => {
  it.each(
    Object.entries({
      ENABLE_PERSISTENT_CONFIG: "false",
      ENABLE_SIGNUP: "false",
      ENABLE_LOGIN_FORM: "false",
      ENABLE_PASSWORD_AUTH: "false",
      ENABLE_API_KEYS: "false",
      DEFAULT_USER_ROLE: "user",
      ENABLE_ADMIN_CHAT_ACCESS: "false",
      OAUTH_MERGE_ACCOUNTS_BY_EMAIL: "false",
      OAUTH_CODE_CHALLENGE_METHOD: "S256",
      OPENID_PROVIDER_URL: "https://api.cloudfreedom.example/oauth2/alpha/.well-known/openid-configuration",
      OPENID_REDIRECT_URI: "https://alpha.cloudfreedom.example/oauth/oidc/callback",
      SCIM_AUTH_PROVIDER: "oidc",
      OPENAI_API_BASE_URL: "http://litellm:4000/v1",
      ENABLE_FORWARD_USER_INFO_HEADERS: "true",
      BYPASS_MODEL_ACCESS_CONTROL: "true",
      ENABLE_OLLAMA_API: "false",
      ENABLE_DIRECT_CONNECTIONS: "false",
      ENABLE_TAGS_GENERATION: "false",
      ENABLE_FOLLOW_UP_GENERATION: "false",
      ENABLE_AUTOCOMPLETE_GENERATION: "false",
      ENABLE_AUTOMATIONS: "false",
      WEBUI_SESSION_COOKIE_SECURE: "true",
    }),
  )("%s is %s", (name, value) => expect(chat.environment[name]).toBe(value))

  it("signs who is chatting with the secret that LiteLLM verifies, and asks with the key that LiteLLM knows", () =>
    expect([chat.environment.FORWARD_USER_INFO_HEADER_JWT_SECRET, chat.environment.OPENAI_API_KEY]).toEqual([
      litellm.environment.CF_OWUI_JWT_SECRET,
      litellm.environment.CF_OWUI_KEY,
    ]))

  it("never sees a provider's key or the stack's key for the platform", () => {
    const values = Object.values(chat.environment)
    const filled = filledVariables()
    for (const name of Object.keys(filled).filter((n) => /_API_KEY$|^CF_INGEST_KEY$|^LITELLM_MASTER_KEY$/.test(n)))
      expect(values).not.toContain(filled[name])
  })

  it("starts after LiteLLM, and is asked for its health, not for a model", () => {
    expect(chat.depends_on).toEqual({ litellm: { condition: "service_healthy" } })
    expect(chat.healthcheck.test.join(" ")).toContain("127.0.0.1:8080/health'")
  })
})

describe("what is public", () => {
  const routers = Object.entries(compose.services).flatMap(([name, { labels }]) =>
    labels
      .map((label) => /^traefik\.http\.routers\.([^.]+)\.rule=(.*)$/.exec(label))
      .filter((match) => match !== null)
      .map(([, router, rule]) => `${name} ${router}: ${rule}`),
  )
  const label = (running: Service, name: string) =>
    running.labels.find((text) => text.startsWith(`${name}=`))?.slice(name.length + 1)
  const HOST = "Host(`alpha.cloudfreedom.example`)"

  it("is /v1/ of LiteLLM and the chat, on the tenant's own host", () =>
    expect(routers.sort()).toEqual([
      `litellm alpha-api: ${HOST} && PathPrefix(\`/v1/\`)`,
      `open-webui alpha-chat: ${HOST}`,
      `open-webui alpha-http: ${HOST}`,
      `open-webui alpha-scim: ${HOST} && PathPrefix(\`/api/v1/scim/\`)`,
    ]))

  it("goes to the right ports, the API before the chat", () => {
    expect(label(litellm, "traefik.http.services.alpha-api.loadbalancer.server.port")).toBe("4000")
    expect(label(chat, "traefik.http.services.alpha-chat.loadbalancer.server.port")).toBe("8080")
    const priority = (running: Service, name: string) => Number(label(running, `traefik.http.routers.${name}.priority`))
    expect(priority(litellm, "alpha-api")).toBeGreaterThan(priority(chat, "alpha-scim"))
    expect(priority(chat, "alpha-scim")).toBeGreaterThan(priority(chat, "alpha-chat"))
  })

  it.each(["api", "chat", "scim"])("is served with TLS: %s", (name) => {
    const running = name === "api" ? litellm : chat
    expect(label(running, `traefik.http.routers.alpha-${name}.entrypoints`)).toBe("https")
    expect(label(running, `traefik.http.routers.alpha-${name}.tls.certresolver`)).toBe("letsencrypt")
  })

  it("without TLS is only the way to it", () => {
    expect(label(chat, "traefik.http.routers.alpha-http.middlewares")).toBe("alpha-https")
    expect(label(chat, "traefik.http.middlewares.alpha-https.redirectscheme.scheme")).toBe("https")
  })

  it("has names that no other tenant's stack has: Traefik knows them all", () => {
    const names = Object.values(compose.services).flatMap(({ labels }) =>
      labels.map((text) => /^traefik\.http\.(?:routers|services|middlewares)\.([^.]+)\./.exec(text)?.[1]).filter(Boolean),
    )
    expect(names.filter((name) => !name?.startsWith("alpha-"))).toEqual([])
  })

  it("can be narrowed for SCIM", () => {
    const narrowed = loadCompose({ ...filledVariables(), SCIM_SOURCE_RANGE: "192.0.2.7/32" }).services["open-webui"] as Service
    expect(label(narrowed, "traefik.http.routers.alpha-scim.middlewares")).toBe("alpha-scim")
    expect(label(narrowed, "traefik.http.middlewares.alpha-scim.ipallowlist.sourcerange")).toBe("192.0.2.7/32")
  })
})
