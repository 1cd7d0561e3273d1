"""Output of all three protocols is counted as it passes."""

from types import SimpleNamespace as Object

import pytest

from cf_gate.streaming import OutputCounter


def sse(data: str) -> str:
    return f"event: x\ndata: {data}\n\n"


@pytest.mark.parametrize(
    "chunk",
    [
        Object(choices=[Object(delta=Object(content="word", tool_calls=None))]),
        Object(choices=[Object(delta=Object(content=None, reasoning_content="word"))]),
        Object(choices=[Object(delta=Object(tool_calls=[Object(function=Object(arguments="word"))]))]),
        Object(choices=[Object(text="word")]),
        Object(type="response.output_text.delta", delta="word"),
        {"choices": [{"delta": {"content": "word"}}]},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "word"}},
        {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": "word"}},
        sse('{"choices":[{"delta":{"content":"word"}}]}'),
        sse('{"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"word"}}').encode(),
    ],
)
def test_a_chunk_with_text_is_a_token_at_least(chunk: object) -> None:
    counter = OutputCounter()
    counter.add(chunk)
    assert counter.tokens == 1


@pytest.mark.parametrize(
    "chunk", [None, 7, "", "data: [DONE]\n\n", sse('{"type":"message_stop"}'), sse("{broken"), {}, Object(), {"delta": None}]
)
def test_a_chunk_without_text_is_none(chunk: object) -> None:
    counter = OutputCounter()
    counter.add(chunk)
    assert counter.tokens == 0


@pytest.mark.parametrize(("text", "tokens"), [("word " * 80, 100), ("语" * 100, 75)])
def test_a_chunk_with_much_text_counts_by_its_bytes(text: str, tokens: int) -> None:
    counter = OutputCounter()
    counter.add({"delta": text})
    assert counter.tokens == tokens
