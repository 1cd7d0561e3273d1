"""What the rendered config says of a model: its kind and how much it can answer at most."""

import functools
from collections.abc import Mapping
from typing import Any


def model_facts(model: str) -> Mapping[str, Any]:
    """`mode` and `max_output_tokens` of the config's model_info; empty for a model that it does not have."""
    from litellm.proxy import proxy_server  # noqa: PLC0415  # imports this package while it starts

    return {} if proxy_server.llm_router is None else _facts(proxy_server.llm_router, model)


@functools.lru_cache(maxsize=1_024)
def _facts(router: Any, model: str) -> Mapping[str, Any]:
    deployments = router.get_model_list(model_name=model) or []
    return dict(deployments[0].get("model_info") or {}) if deployments else {}


def most_output(model: str) -> int | None:
    """Output tokens of one answer at most; None if nobody knows."""
    most = model_facts(model).get("max_output_tokens")
    return most if isinstance(most, int) and not isinstance(most, bool) and most > 0 else None


def can_chat(model: str) -> bool:
    """False for embeddings, images and voices: in a chat's list they could only fail."""
    return model_facts(model).get("mode") in (None, "chat", "completion", "responses")
