/** Every kind of call that tenants make, by the providers' own SDKs, and what each uses. */

import { CACHE_WRITE } from "../../support/fake-messages"
import { chatUsage, embeddingUsage, MARKER } from "../../support/fake-openai"
import { anthropic, CHAT, CLAUDE, EMBEDDING, type House, openai, say, type Used } from "./scene"

const WORDS = "the quick brown fox jumps over the lazy dog"
const TOOL_CALL = "weather in Berlin"
const FUNCTION = {
  name: "weather",
  description: "The weather in a city",
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
}
const CHAT_TOOLS = [{ type: "function" as const, function: FUNCTION }]
const RESPONSE_TOOLS = [{ type: "function" as const, strict: false, ...FUNCTION }]
const CLAUDE_TOOLS = [
  { name: FUNCTION.name, description: FUNCTION.description, input_schema: FUNCTION.parameters as { type: "object" } },
]

export interface Kind {
  name: string
  model: string
  /** What the client got out of the answer; `text` tells this call from all others. */
  run(house: House, key: string, text: string): Promise<string>
  answer: string
  usage(text: string): Used
}

const OPENAI = { model: CHAT, answer: WORDS, usage: (text: string) => chatUsage(text) }
const ANTHROPIC = { model: CLAUDE, answer: WORDS, usage: (text: string) => chatUsage(text) }
const LIMIT = { max_tokens: 2_000 }

export const KINDS: Kind[] = [
  {
    ...{ ...OPENAI, name: "chat" },
    run: async (house, key, text) => {
      const { choices } = await openai(house, key).chat.completions.create({ model: CHAT, ...say(text) })
      return choices[0]?.message.content ?? ""
    },
  },
  {
    ...{ ...OPENAI, name: "chat, streamed" },
    run: async (house, key, text) => {
      const stream = await openai(house, key).chat.completions.create({ model: CHAT, ...say(text), stream: true })
      let answer = ""
      for await (const { choices } of stream) answer += choices[0]?.delta.content ?? ""
      return answer
    },
  },
  {
    ...{ ...OPENAI, name: "chat, streamed, the client asks for its usage" },
    answer: "211",
    usage: (text) => ({ ...chatUsage(text) }),
    run: async (house, key, text) => {
      const asked = { stream: true, stream_options: { include_usage: true } } as const
      const stream = await openai(house, key).chat.completions.create({ model: CHAT, ...say(text), ...asked })
      let told = 0
      for await (const { usage } of stream) told += usage?.completion_tokens ?? 0
      return String(told - 3 * text.length)
    },
  },
  {
    ...{ ...OPENAI, name: "chat, most of the prompt was cached" },
    usage: (text) => chatUsage(`${MARKER.cached} ${text}`),
    run: async (house, key, text) => {
      const body = { model: CHAT, ...say(`${MARKER.cached} ${text}`) }
      return (await openai(house, key).chat.completions.create(body)).choices[0]?.message.content ?? ""
    },
  },
  {
    ...{ ...OPENAI, name: "chat, three answers" },
    answer: "3",
    usage: (text) => ({ ...chatUsage(text), completion: 3 * chatUsage(text).completion }),
    run: async (house, key, text) => {
      const { choices } = await openai(house, key).chat.completions.create({ model: CHAT, ...say(text), n: 3 })
      return String(choices.length)
    },
  },
  {
    ...{ ...OPENAI, name: "chat with tools", answer: TOOL_CALL },
    run: async (house, key, text) => {
      const { choices } = await openai(house, key).chat.completions.create({ model: CHAT, ...say(text), tools: CHAT_TOOLS })
      const [call] = choices[0]?.message.tool_calls ?? []
      return call?.type === "function" ? toolText(call.function.name, call.function.arguments) : ""
    },
  },
  {
    ...{ ...OPENAI, name: "chat with tools, streamed", answer: TOOL_CALL },
    run: async (house, key, text) => {
      const body = { model: CHAT, ...say(text), tools: CHAT_TOOLS, stream: true } as const
      let [name, args] = ["", ""]
      for await (const { choices } of await openai(house, key).chat.completions.create(body)) {
        const [call] = choices[0]?.delta.tool_calls ?? []
        name += call?.function?.name ?? ""
        args += call?.function?.arguments ?? ""
      }
      return toolText(name, args)
    },
  },
  {
    ...{ name: "embeddings", model: EMBEDDING, answer: "2", usage: (text: string) => embeddingUsage([text, "another"]) },
    run: async (house, key, text) => {
      const input = [text, "another"]
      return String((await openai(house, key).embeddings.create({ model: EMBEDDING, input })).data.length)
    },
  },
  {
    ...{ ...OPENAI, name: "responses" },
    run: async (house, key, text) => (await openai(house, key).responses.create({ model: CHAT, input: text })).output_text,
  },
  {
    ...{ ...OPENAI, name: "responses, streamed" },
    run: async (house, key, text) => {
      let answer = ""
      for await (const event of await openai(house, key).responses.create({ model: CHAT, input: text, stream: true })) {
        if (event.type === "response.output_text.delta") answer += event.delta
      }
      return answer
    },
  },
  {
    ...{ ...OPENAI, name: "responses with tools", answer: TOOL_CALL },
    run: async (house, key, text) => {
      const { output } = await openai(house, key).responses.create({ model: CHAT, input: text, tools: RESPONSE_TOOLS })
      const [call] = output
      return call?.type === "function_call" ? toolText(call.name, call.arguments) : ""
    },
  },
  {
    ...{ ...ANTHROPIC, name: "messages" },
    run: async (house, key, text) => {
      const { content } = await anthropic(house, key).messages.create({ model: CLAUDE, ...say(text), ...LIMIT })
      return content[0]?.type === "text" ? content[0].text : ""
    },
  },
  {
    ...{ ...ANTHROPIC, name: "messages, streamed" },
    run: async (house, key, text) =>
      anthropic(house, key)
        .messages.stream({ model: CLAUDE, ...say(text), ...LIMIT })
        .finalText(),
  },
  {
    ...{ ...ANTHROPIC, name: "messages, read from and written to the cache" },
    usage: (text) => ({ ...chatUsage(`${MARKER.cached} ${text}`), written: CACHE_WRITE }),
    run: async (house, key, text) => {
      const body = { model: CLAUDE, ...say(`${MARKER.cached} ${text}`), ...LIMIT }
      const { content } = await anthropic(house, key).messages.create(body)
      return content[0]?.type === "text" ? content[0].text : ""
    },
  },
  {
    ...{ ...ANTHROPIC, name: "messages with tools", answer: TOOL_CALL },
    run: async (house, key, text) => {
      const body = { model: CLAUDE, ...say(text), ...LIMIT, tools: CLAUDE_TOOLS }
      const [call] = (await anthropic(house, key).messages.create(body)).content
      return call?.type === "tool_use" ? toolText(call.name, JSON.stringify(call.input)) : ""
    },
  },
  {
    ...{ ...ANTHROPIC, name: "messages with tools, streamed", answer: TOOL_CALL },
    run: async (house, key, text) => {
      const body = { model: CLAUDE, ...say(text), ...LIMIT, tools: CLAUDE_TOOLS }
      const [call] = (await anthropic(house, key).messages.stream(body).finalMessage()).content
      return call?.type === "tool_use" ? toolText(call.name, JSON.stringify(call.input)) : ""
    },
  },
  {
    ...{ ...ANTHROPIC, name: "chat on Anthropic's model, streamed" },
    run: async (house, key, text) => {
      const stream = await openai(house, key).chat.completions.create({ model: CLAUDE, ...say(text), stream: true })
      let answer = ""
      for await (const { choices } of stream) answer += choices[0]?.delta.content ?? ""
      return answer
    },
  },
  {
    ...{ ...OPENAI, name: "messages on OpenAI's model" },
    run: async (house, key, text) => {
      const { content } = await anthropic(house, key).messages.create({ model: CHAT, ...say(text), ...LIMIT })
      return content.map((block) => (block.type === "text" ? block.text : "")).join("")
    },
  },
]

function toolText(name: string, args: string): string {
  return `${name} in ${(JSON.parse(args) as { city: string }).city}`
}
