"""Only the routes of the price book exist, with their method."""

import pytest

from cf_gate.routes import is_model_list, route_allowed

ALLOWED = [
    ("POST", "/v1/chat/completions"),
    ("POST", "/chat/completions"),
    ("POST", "/v1/completions"),
    ("POST", "/v1/embeddings"),
    ("POST", "/v1/images/generations"),
    ("POST", "/v1/images/edits"),
    ("POST", "/v1/audio/speech"),
    ("POST", "/v1/audio/transcriptions"),
    ("POST", "/v1/responses"),
    ("POST", "/v1/messages"),
    ("POST", "/v1/messages/count_tokens"),
    ("GET", "/v1/models"),
    ("GET", "/models/gpt-4o"),
    ("GET", "/v1/models/openai/gpt-4o"),
]

REFUSED = [
    ("GET", "/v1/chat/completions"),
    ("", "/v1/responses"),
    ("GET", "/v1/responses/resp_1"),
    ("DELETE", "/v1/responses/resp_1"),
    ("POST", "/v1/responses/resp_1/cancel"),
    ("POST", "/v1/moderations"),
    ("POST", "/v1/rerank"),
    ("POST", "/openai/v1/chat/completions"),
    ("POST", "/anthropic/v1/messages"),
    ("POST", "/engines/gpt-4o/chat/completions"),
    ("POST", "/v1/chat/completions/"),
    ("POST", "/v1/chat/completions/../../key/generate"),
    ("POST", "/v1/chat/completions\n"),
    ("POST", "/v2/chat/completions"),
    ("POST", "/key/generate"),
    ("POST", "/v1/batches"),
    ("POST", "/v1/files"),
    ("GET", "/health"),
    ("GET", "/model/info"),
    ("GET", "/v1/models/../../key/info"),
    ("POST", "/v1/models"),
]


@pytest.mark.parametrize(("method", "path"), ALLOWED)
def test_allowed(method: str, path: str) -> None:
    assert route_allowed(method, path)
    assert is_model_list(method, path) == (method == "GET")


@pytest.mark.parametrize(("method", "path"), REFUSED)
def test_refused(method: str, path: str) -> None:
    assert not route_allowed(method, path)
