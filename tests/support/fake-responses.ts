/** POST /v1/responses of the fake provider, plain and streamed. */
import { ANSWER, type Exchange, eventStream, MARKER, sendJson, toolCall, words } from "./fake-exchange"

type Item = Record<string, unknown>

export async function answerResponses(exchange: Exchange): Promise<void> {
  const { body, response, text } = exchange
  if (body.stream !== true) return sendJson(response, 200, responseObject(exchange, "completed"))
  let number = 0
  const send = eventStream(response)
  const event = (type: string, more: object) => send({ type, sequence_number: number++, ...more })
  event("response.created", { response: responseObject(exchange, "in_progress") })
  const [item] = output(exchange) as [Item]
  event("response.output_item.added", { output_index: 0, item: { ...item, status: "in_progress" } })
  const place = { item_id: item.id, output_index: 0 }
  if (item.type === "function_call") {
    event("response.function_call_arguments.delta", { ...place, delta: item.arguments })
  } else {
    for await (const delta of words(exchange)) event("response.output_text.delta", { ...place, content_index: 0, delta })
  }
  if (response.destroyed || text.includes(MARKER.cut)) return
  event("response.output_item.done", { output_index: 0, item })
  event("response.completed", { response: responseObject(exchange, "completed") })
  response.end()
}

function responseObject(exchange: Exchange, status: "in_progress" | "completed"): Item {
  const { body, serial, text, usage } = exchange
  const done = status === "completed"
  const told = done && !text.includes(MARKER.untold)
  return {
    id: `resp_fake_${serial}`,
    object: "response",
    created_at: 1_700_000_000,
    status,
    model: `${String(body.model)}-2024-07-18`,
    output: done ? output(exchange) : [],
    usage: told
      ? {
          input_tokens: usage.prompt,
          input_tokens_details: { cached_tokens: usage.cached },
          output_tokens: usage.completion,
          output_tokens_details: { reasoning_tokens: usage.reasoning },
          total_tokens: usage.prompt + usage.completion,
        }
      : null,
    error: null,
    incomplete_details: null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    metadata: {},
    parallel_tool_calls: true,
    previous_response_id: null,
    temperature: 1,
    tool_choice: "auto",
    tools: body.tools ?? [],
    top_p: 1,
  }
}

function output(exchange: Exchange): Item[] {
  const tool = toolCall(exchange)
  if (tool) return [{ type: "function_call", id: "fc_fake", call_id: "call_fake", status: "completed", ...tool }]
  const content = [{ type: "output_text", text: ANSWER.join(" "), annotations: [] }]
  return [{ type: "message", id: "msg_fake", status: "completed", role: "assistant", content }]
}
