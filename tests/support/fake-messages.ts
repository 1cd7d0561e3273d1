/** POST /v1/messages of the fake provider, plain and streamed: Anthropic's protocol. */
import { ANSWER, type Exchange, eventStream, MARKER, sendJson, toolCall, words } from "./fake-exchange"

/** Written to the cache by a prompt that was mostly cached; the second is the part that stays for an hour. */
export const CACHE_WRITE = { all: 300, hour: 100 } as const

export async function answerMessages(exchange: Exchange): Promise<void> {
  const { body, response, text, usage } = exchange
  const tool = toolCall(exchange)
  const block = tool
    ? { type: "tool_use", id: "toolu_fake", name: tool.name, input: JSON.parse(tool.arguments) }
    : { type: "text", text: ANSWER.join(" ") }
  const stop = { stop_reason: tool ? "tool_use" : "end_turn", stop_sequence: null }
  const whole = message(exchange, { content: [block], ...stop, usage: messagesUsage(exchange, usage.completion) })
  if (body.stream !== true) return sendJson(response, 200, whole)
  const send = eventStream(response)
  const start = { content: [], stop_reason: null, stop_sequence: null, usage: messagesUsage(exchange, 1) }
  send({ type: "message_start", message: message(exchange, start) })
  send({ type: "content_block_start", index: 0, content_block: tool ? { ...block, input: {} } : { type: "text", text: "" } })
  const delta = (part: object) => send({ type: "content_block_delta", index: 0, delta: part })
  if (tool) delta({ type: "input_json_delta", partial_json: tool.arguments })
  else for await (const word of words(exchange)) delta({ type: "text_delta", text: word })
  if (response.destroyed || text.includes(MARKER.cut)) return
  send({ type: "content_block_stop", index: 0 })
  send({ type: "message_delta", delta: stop, usage: { output_tokens: usage.completion } })
  send({ type: "message_stop" })
  response.end()
}

function message({ body, serial }: Exchange, more: object): object {
  return { id: `msg_fake_${serial}`, type: "message", role: "assistant", model: body.model, ...more }
}

/** Anthropic counts what was read from and written to the cache beside the input, not as a part of it. */
function messagesUsage({ text, usage }: Exchange, output: number): object {
  const write = text.includes(MARKER.cached) ? CACHE_WRITE : { all: 0, hour: 0 }
  return {
    input_tokens: usage.prompt - usage.cached - write.all,
    cache_read_input_tokens: usage.cached,
    cache_creation_input_tokens: write.all,
    cache_creation: { ephemeral_5m_input_tokens: write.all - write.hour, ephemeral_1h_input_tokens: write.hour },
    output_tokens: output,
  }
}
