/** A tenant's LiteLLM configuration, made from the price book: what is not priced, or has no provider key, is not offered. */

export interface OfferedModel {
  /** The price book's name, which is what clients ask for. */
  model: string
  provider: string
  kind: string
  /** 0: unknown. */
  maxOutputTokens: number
}

/** How LiteLLM names a provider's models, and the variable of the container that holds its key. */
const PROVIDERS: Record<string, { prefix: string; key: string }> = {
  anthropic: { prefix: "anthropic/", key: "ANTHROPIC_UPSTREAM_KEY" },
  cohere: { prefix: "cohere/", key: "COHERE_UPSTREAM_KEY" },
  cohere_chat: { prefix: "cohere_chat/", key: "COHERE_UPSTREAM_KEY" },
  deepseek: { prefix: "deepseek/", key: "DEEPSEEK_UPSTREAM_KEY" },
  gemini: { prefix: "gemini/", key: "GEMINI_UPSTREAM_KEY" },
  groq: { prefix: "groq/", key: "GROQ_UPSTREAM_KEY" },
  mistral: { prefix: "mistral/", key: "MISTRAL_UPSTREAM_KEY" },
  moonshot: { prefix: "moonshot/", key: "MOONSHOT_UPSTREAM_KEY" },
  openai: { prefix: "openai/", key: "OPENAI_UPSTREAM_KEY" },
  xai: { prefix: "xai/", key: "XAI_UPSTREAM_KEY" },
}

export const KNOWN_PROVIDERS: readonly string[] = Object.keys(PROVIDERS)

/** Those whose keys the owner's stacks have. */
export const DEFAULT_PROVIDERS: readonly string[] = ["openai", "anthropic"]

/** The kinds that the gate lets through, by LiteLLM's name for them. "other" (e.g. reranking) has no route there. */
const MODES: Record<string, string> = {
  chat: "chat",
  embedding: "embedding",
  image: "image_generation",
  speech: "audio_speech",
  transcription: "audio_transcription",
}

/** @returns those that a stack with keys of these providers can serve, in the order of their names, each once */
export function servableModels<M extends OfferedModel>(models: readonly M[], providers: readonly string[]): M[] {
  const byName = new Map<string, M>()
  for (const entry of models) {
    if (providers.includes(entry.provider) && PROVIDERS[entry.provider] && MODES[entry.kind]) byName.set(entry.model, entry)
  }
  return [...byName.values()].sort((a, b) => (a.model < b.model ? -1 : 1))
}

const HEAD = `# Made by the platform from its price book and the tenant's products. Do not edit: a new bundle replaces it.
# Other models or prices: change product or price book, download the bundle again, replace this file, restart LiteLLM.
`

// Every key below was read in LiteLLM's source; tests/litellm/template-config.test.ts asks the installed version again.
const SETTINGS = `
litellm_settings:
  callbacks: ["cf_gate.gate.logger"]
  # A client's "no-log" would run a call that nobody is billed for.
  global_disable_no_log_param: true
  # Prompts and answers are nobody's business but the tenant's.
  turn_off_message_logging: true
  # One hold, one attempt: a retry or a fallback would spend money that nobody has held. (max_retries above: the provider's SDK.)
  num_retries: 0
  request_timeout: 600
  # A parameter that the provider does not know is left out instead of failing the call.
  drop_params: true

router_settings:
  num_retries: 0
  # Each model has one deployment: resting it after failures would only turn one outage into two.
  disable_cooldowns: true

general_settings:
  master_key: os.environ/LITELLM_MASTER_KEY
  custom_auth: cf_gate.identity.user_api_key_auth
  disable_spend_logs: true
`

/**
 * The text of LiteLLM's config.yaml. The same input gives the same text, so that a new bundle differs only where something changed.
 * @param models what the tenant may use and the book prices; those of other providers or kinds are left out
 * @param providers those whose keys the stack has
 */
export function renderLitellmConfig({
  models,
  providers = DEFAULT_PROVIDERS,
}: {
  models: readonly OfferedModel[]
  providers?: readonly string[]
}): string {
  const entries = servableModels(models, providers).map(modelEntry)
  return `${HEAD}model_list:${entries.length === 0 ? " []\n" : `\n${entries.join("")}`}${SETTINGS}`
}

function modelEntry(entry: OfferedModel): string {
  const provider = PROVIDERS[entry.provider] as { prefix: string; key: string }
  const upstream = entry.model.startsWith(provider.prefix) ? entry.model : provider.prefix + entry.model
  const limit = entry.maxOutputTokens > 0 ? `      max_output_tokens: ${entry.maxOutputTokens}\n` : ""
  return `  - model_name: ${quoted(entry.model)}
    litellm_params:
      model: ${quoted(upstream)}
      api_key: os.environ/${provider.key}
      max_retries: 0
    model_info:
      mode: ${MODES[entry.kind]}
${limit}`
}

/** JSON's strings are YAML's: a name can never become another node. */
function quoted(text: string): string {
  return JSON.stringify(text)
}
