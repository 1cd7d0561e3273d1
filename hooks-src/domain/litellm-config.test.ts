import { describe, expect, it } from "vitest"
import { parse } from "yaml"
import { KNOWN_PROVIDERS, type OfferedModel, renderLitellmConfig } from "./litellm-config"

interface Config {
  model_list: {
    model_name: string
    litellm_params: Record<string, unknown>
    model_info: Record<string, unknown>
  }[]
  litellm_settings: Record<string, unknown>
  router_settings: Record<string, unknown>
  general_settings: Record<string, unknown>
}

const model = (name: string, provider: string, kind = "chat", maxOutputTokens = 0): OfferedModel => ({
  model: name,
  provider,
  kind,
  maxOutputTokens,
})
const rendered = (models: OfferedModel[], providers: readonly string[] = KNOWN_PROVIDERS) =>
  parse(renderLitellmConfig({ models, providers })) as Config

describe("a model of the price book becomes one deployment under the book's name", () => {
  it.each([
    ["gpt-4o", "openai", "openai/gpt-4o", "OPENAI"],
    ["claude-opus-5", "anthropic", "anthropic/claude-opus-5", "ANTHROPIC"],
    ["gemini/gemini-2.5-pro", "gemini", "gemini/gemini-2.5-pro", "GEMINI"],
    ["groq/openai/gpt-oss-20b", "groq", "groq/openai/gpt-oss-20b", "GROQ"],
    ["mistral/mistral-embed", "mistral", "mistral/mistral-embed", "MISTRAL"],
    ["deepseek/deepseek-v4-pro", "deepseek", "deepseek/deepseek-v4-pro", "DEEPSEEK"],
    ["xai/grok-4.5", "xai", "xai/grok-4.5", "XAI"],
    ["moonshot/kimi-k3", "moonshot", "moonshot/kimi-k3", "MOONSHOT"],
    ["command-a-03-2025", "cohere_chat", "cohere_chat/command-a-03-2025", "COHERE"],
    ["cohere/embed-v4.0", "cohere", "cohere/embed-v4.0", "COHERE"],
  ])("%s of %s is %s with the key of %s, and is never tried twice", (name, provider, upstream, key) => {
    expect(rendered([model(name, provider)]).model_list).toEqual([
      {
        model_name: name,
        litellm_params: { model: upstream, api_key: `os.environ/${key}_UPSTREAM_KEY`, max_retries: 0 },
        model_info: { mode: "chat" },
      },
    ])
  })

  it.each([
    ["chat", "chat"],
    ["embedding", "embedding"],
    ["image", "image_generation"],
    ["speech", "audio_speech"],
    ["transcription", "audio_transcription"],
  ])("kind %s is LiteLLM's mode %s", (kind, mode) =>
    expect(rendered([model("m", "openai", kind)]).model_list[0]?.model_info).toEqual({ mode }),
  )

  it("carries the model's own limit where the book knows it", () =>
    expect(rendered([model("m", "openai", "chat", 16_384)]).model_list[0]?.model_info).toEqual({
      mode: "chat",
      max_output_tokens: 16_384,
    }))
})

describe("what the stack cannot serve is left out", () => {
  const names = (models: OfferedModel[], providers?: string[]) =>
    (parse(renderLitellmConfig(providers ? { models, providers } : { models })) as Config).model_list.map((m) => m.model_name)

  it("a provider without a key", () =>
    expect(names([model("a", "openai"), model("b", "groq"), model("c", "anthropic")])).toEqual(["a", "c"]))
  it("with other keys other models", () => expect(names([model("a", "openai"), model("b", "groq")], ["groq"])).toEqual(["b"]))
  it("a kind without a route", () => expect(names([model("rerank", "openai", "other")])).toEqual([]))
  it("a provider that LiteLLM is not told about", () => expect(names([model("x", "acme")], ["acme"])).toEqual([]))
  it("everything: the list is empty and the file still valid", () => expect(names([])).toEqual([]))
})

describe("the text", () => {
  it("does not depend on the order in which the models come, and names each once", () => {
    const models = [model("b", "openai"), model("a", "openai"), model("b", "openai")]
    expect(renderLitellmConfig({ models })).toBe(renderLitellmConfig({ models: [models[1], models[0]] as OfferedModel[] }))
  })

  it.each(['a": [1]\nx: "y', "a\n  b: c", "*", "yes", "1e3", "é ü", "{}", "a # b"])("keeps a model named %j a name", (name) => {
    const config = rendered([model(name, "openai")])
    expect(config.model_list.map((entry) => entry.model_name)).toEqual([name])
    expect(Object.keys(config)).toEqual(["model_list", "litellm_settings", "router_settings", "general_settings"])
  })

  it("holds no secret, only the names of variables", () => {
    const text = renderLitellmConfig({ models: [model("a", "openai"), model("c", "anthropic")] })
    for (const line of text.split("\n").filter((l) => /_key:/.test(l))) expect(line).toMatch(/: os\.environ\/[A-Z_]+$/)
  })
})

describe("the settings close LiteLLM's ways to a free or a double call", () => {
  const config = rendered([model("a", "openai")])
  it("one attempt, no fallback", () => {
    expect([config.litellm_settings.num_retries, config.router_settings.num_retries]).toEqual([0, 0])
    expect(JSON.stringify(config)).not.toMatch(/fallback/)
  })
  it("each call is logged to us, without its text", () =>
    expect(config.litellm_settings).toMatchObject({
      callbacks: ["cf_gate.gate.logger"],
      global_disable_no_log_param: true,
      turn_off_message_logging: true,
    }))
  it("nobody gets in but through the gate", () =>
    expect(config.general_settings).toEqual({
      master_key: "os.environ/LITELLM_MASTER_KEY",
      custom_auth: "cf_gate.identity.user_api_key_auth",
      disable_spend_logs: true,
    }))
})
