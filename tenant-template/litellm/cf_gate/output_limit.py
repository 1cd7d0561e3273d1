"""How much output a call asks for, and how the centre's answer is written into the request."""

from collections.abc import Mapping
from typing import Any

from cf_gate.refusals import Refused
from cf_gate.routes import Family
from cf_gate.sanitise import Data, whole

MAX_OUTPUT_TOKENS = 10_000_000
# Anthropic's smallest thinking budget.
MIN_THINKING_TOKENS = 1_024
# What LiteLLM makes of reasoning_effort for models that want a budget in tokens, smallest first.
_EFFORT_TOKENS = {"low": 1_024, "medium": 2_048, "high": 4_096}

# The fields that limit output; the first that the client sent is used again, else the last.
_LIMIT_FIELDS: dict[Family, tuple[str, ...]] = {
    "chat": ("max_completion_tokens", "max_tokens"),
    "completion": ("max_tokens",),
    "responses": ("max_output_tokens",),
    "messages": ("max_tokens",),
}


def choices(data: Mapping[str, Any], family: Family) -> int:
    """How many answers one call makes: each may be as long as the limit."""
    if family == "chat":
        return int(data.get("n") or 1)
    if family != "completion":
        return 1
    prompt = data.get("prompt")
    prompts = len(prompt) if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int) else 1
    return max(1, prompts) * max(int(data.get("n") or 1), int(data.get("best_of") or 1))


def asked_output(data: Data, family: Family, most: int | None = None) -> int | None:
    """Output tokens to hold for the whole call; None: the client set no limit and the product's default applies.

    `most` is what the model can answer at most: more than that would hold money that nothing can use.

    :raises Refused: 400 if a limit is not a whole number
    """
    if family not in _LIMIT_FIELDS:
        return 0
    limits = [whole(data[name], name, MAX_OUTPUT_TOKENS) for name in _LIMIT_FIELDS[family] if data.get(name) is not None]
    budget = _thinking_budget(data)
    if budget:
        # Thinking is part of the limit; a limit below it would be no limit for providers that add the two.
        limits.append(budget + 1)
    elif not limits:
        return None
    asked = max(limits)
    return (asked if most is None else min(asked, most)) * choices(data, family)


def write_grant(data: Data, family: Family, granted: int, clamped: bool) -> None:
    """Sends the limit upstream, always: what was held must not be exceeded.

    :raises Refused: 402 if what is left does not make one token for each answer
    """
    if family not in _LIMIT_FIELDS:
        return
    each = granted // choices(data, family)
    if each < 1:
        raise Refused("budget_exhausted", "What is left of the budget is not enough for this many answers.")
    fields = _LIMIT_FIELDS[family]
    used = next((name for name in fields if data.get(name) is not None), fields[-1])
    for name in fields:
        data.pop(name, None)
    data[used] = each
    _fit_thinking(data, each)
    if clamped:
        _fit_effort(data, each)


def _thinking_budget(data: Data) -> int:
    thinking = data.get("thinking")
    budget = thinking.get("budget_tokens") if isinstance(thinking, Mapping) else None
    # 0 is how some models are told not to think.
    return whole(budget, "thinking.budget_tokens", MAX_OUTPUT_TOKENS) if budget else 0


def _fit_thinking(data: Data, limit: int) -> None:
    """Providers refuse a call whose thinking may fill its whole answer."""
    budget = _thinking_budget(data)
    if budget < limit or budget == 0:
        return
    fitting = limit * 3 // 4
    if fitting < MIN_THINKING_TOKENS:
        del data["thinking"]
    else:
        data["thinking"] = {**data["thinking"], "budget_tokens": fitting}


def _fit_effort(data: Data, limit: int) -> None:
    """The same for a named effort, but only where we have cut the limit: else it is the client's own choice."""
    wanted = _EFFORT_TOKENS.get(str(data.get("reasoning_effort")))
    if wanted is None or wanted < limit:
        return
    fitting = [effort for effort, tokens in _EFFORT_TOKENS.items() if tokens < limit]
    if fitting:
        data["reasoning_effort"] = fitting[-1]
    else:
        del data["reasoning_effort"]
