/** The tenant's configuration speaks LiteLLM's language: each setting and variable exists in the pinned version, no model is unknown. */
import { execFileSync } from "node:child_process"
import path from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { parse } from "yaml"
import { KNOWN_PROVIDERS, renderLitellmConfig } from "../../hooks-src/domain/litellm-config"
import { ensureLitellm } from "../../scripts/setup-litellm.mjs"
import { seedPrices } from "../support/platform"
import { filledVariables, loadCompose, read } from "../template/compose-file"

/** What the installed LiteLLM says about the names that it is given. */
const ASK = `
import inspect, json, pathlib, sys
import litellm
from litellm.proxy._types import ConfigGeneralSettings

asked = json.load(sys.stdin)
root = pathlib.Path(litellm.__file__).parent
source = "\\n".join(p.read_text(errors="ignore") for p in root.rglob("*.py"))
router = inspect.signature(litellm.Router.__init__).parameters
def provider(model):
    try:
        return litellm.get_llm_provider(model)[1]
    except Exception as error:
        return type(error).__name__
print("ANSWER" + json.dumps({
    "litellm_settings": [n for n in asked["litellm_settings"] if not hasattr(litellm, n)],
    "router_settings": [n for n in asked["router_settings"] if n not in router],
    "general_settings": [n for n in asked["general_settings"] if n not in ConfigGeneralSettings.model_fields and f'general_settings.get("{n}"' not in source],
    "environment": [n for n in asked["environment"] if f'"{n}"' not in source],
    "providers": {m: provider(m) for m in asked["models"]},
    "modes": [m for m in asked["modes"] if f'"{m}"' not in source],
}))
`

interface Answer {
  litellm_settings: string[]
  router_settings: string[]
  general_settings: string[]
  environment: string[]
  providers: Record<string, string>
  modes: string[]
}
interface Config {
  model_list: { model_name: string; litellm_params: { model: string }; model_info: { mode: string } }[]
  litellm_settings: object
  router_settings: object
  general_settings: object
}

const committed = parse(read("litellm/config.yaml")) as Config
/** Not only of the two providers that most stacks have. */
const everything = seedModels()
const whole = parse(renderLitellmConfig({ models: everything, providers: KNOWN_PROVIDERS })) as Config
/** Variables of ours, of Python and of the providers' keys mean nothing to LiteLLM itself. */
const OURS = /^(CF_|PYTHON|TENANT_SLUG$|POCKETBASE_URL$|BILLING_API_URL$)|_UPSTREAM_KEY$/

function seedModels() {
  const names = ["gpt-4o", "claude-haiku-4-5", "gemini/gemini-2.5-pro", "mistral/mistral-embed", "groq/openai/gpt-oss-20b"]
  const more = ["deepseek/deepseek-v4-pro", "xai/grok-4.5", "moonshot/kimi-k3", "command-a-03-2025", "cohere/embed-v4.0"]
  return (seedPrices(...names, ...more) as { model: string; provider: string; kind: string }[]).map((entry) => ({
    ...entry,
    maxOutputTokens: 0,
  }))
}

let answer: Answer
const environment = Object.keys(loadCompose(filledVariables()).services.litellm?.environment ?? {}).filter(
  (name) => !OURS.test(name),
)

beforeAll(async () => {
  const python = path.join(path.dirname(await ensureLitellm()), "python")
  const asked = {
    ...Object.fromEntries(
      (["litellm_settings", "router_settings", "general_settings"] as const).map((part) => [part, Object.keys(committed[part])]),
    ),
    environment: [...environment, "NO_SUCH_VARIABLE_OF_LITELLM"],
    models: [...whole.model_list, ...committed.model_list].map((entry) => entry.litellm_params.model),
    modes: [...new Set(committed.model_list.map((entry) => entry.model_info.mode))],
  }
  const output = execFileSync(python, ["-c", ASK], {
    input: JSON.stringify(asked),
    env: { PATH: process.env.PATH, LITELLM_LOCAL_MODEL_COST_MAP: "True", LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS: "True" },
    maxBuffer: 1 << 26,
  }).toString()
  answer = JSON.parse(output.slice(output.indexOf("ANSWER") + 6)) as Answer
})

it.each(["litellm_settings", "router_settings", "general_settings"] as const)("each key of %s exists", (part) => {
  expect(Object.keys(committed[part]).length).toBeGreaterThan(0)
  expect(answer[part]).toEqual([])
})

it("each variable that the compose file sets for LiteLLM is read by it (and one that is not is found)", () => {
  expect(environment).toContain("LITELLM_LOCAL_MODEL_COST_MAP")
  expect(answer.environment).toEqual(["NO_SUCH_VARIABLE_OF_LITELLM"])
})

it("each mode is one of LiteLLM's", () => expect(answer.modes).toEqual([]))

describe("each model goes to the provider that the price book names", () => {
  it.each(everything.map((entry) => [entry.model, entry.provider]))("%s: %s", (name, provider) => {
    const upstream = whole.model_list.find((entry) => entry.model_name === name)?.litellm_params.model as string
    expect(answer.providers[upstream]).toBe(provider)
  })
  it("and so does each of the committed configuration", () => {
    for (const { litellm_params } of committed.model_list)
      expect(answer.providers[litellm_params.model]).toBe(litellm_params.model.split("/")[0])
  })
})
