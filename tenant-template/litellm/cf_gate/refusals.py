"""Refusals as clients see them: OpenAI's error shape with our code and a sentence a person understands."""

from litellm.proxy._types import ProxyException

STATUS_BY_CODE: dict[str, int] = {
    "unknown_identity": 401,
    "key_revoked": 401,
    "key_expired": 401,
    "missing_identity": 401,
    # Not 429: OpenAI's clients repeat a 429 on their own, and no waiting helps against an empty budget.
    "budget_exhausted": 402,
    "route_not_allowed": 403,
    "model_not_allowed": 403,
    "model_unpriced": 403,
    "user_suspended": 403,
    "tenant_suspended": 403,
    "invalid_request": 400,
    "unsupported_feature": 400,
    "rate_limited": 429,
    "too_many_parallel": 429,
    "center_unavailable": 503,
    "usage_undelivered": 503,
    "spool_unavailable": 503,
    "gate_misconfigured": 503,
}

SENTENCES: dict[str, str] = {
    "unknown_identity": "This API key is not known.",
    "key_revoked": "This API key was revoked.",
    "key_expired": "This API key has expired.",
    "missing_identity": "The request does not say for whom it is made.",
    "budget_exhausted": "The budget is used up.",
    "route_not_allowed": "This route is not available.",
    "model_not_allowed": "This model is not enabled for you.",
    "model_unpriced": "This model has no price yet, so it cannot be used.",
    "user_suspended": "This account is suspended.",
    "tenant_suspended": "This organisation is suspended.",
    "rate_limited": "Too many requests per minute. Try again shortly.",
    "too_many_parallel": "Too many requests at the same time. Try again shortly.",
    "center_unavailable": "The billing service cannot be reached. Try again shortly.",
    "usage_undelivered": "Usage could not be delivered for too long, so new calls are paused.",
    "spool_unavailable": "Usage cannot be recorded at the moment, so new calls are paused.",
    "gate_misconfigured": "This service is not set up correctly. Please tell your administrator.",
}

DEFAULT_RETRY_AFTER_S: dict[str, int] = {
    "rate_limited": 10,
    "too_many_parallel": 1,
    "center_unavailable": 5,
    "usage_undelivered": 60,
    "spool_unavailable": 5,
    "gate_misconfigured": 60,
}


class Refused(ProxyException):
    """A call that does not happen. LiteLLM passes it on unchanged on most routes.

    `/v1/images/generations` and `/v1/audio/transcriptions` copy message, type and status into an error of their own and
    put the status where the code belongs; that is why `type` repeats our code.
    """

    def __init__(self, code: str, message: str = "", param: str | None = None, retry_after_s: int | None = None) -> None:
        # A code that we do not know comes from a newer centre: the call is refused all the same.
        self.status_code = STATUS_BY_CODE.get(code, 403)
        self.refusal_code = code
        wait = retry_after_s if retry_after_s is not None else DEFAULT_RETRY_AFTER_S.get(code)
        super().__init__(
            message=message or SENTENCES.get(code, "This call is not allowed."),
            type=code,
            param=param,
            code=self.status_code,
            openai_code=code,
            headers={} if wait is None else {"Retry-After": str(wait)},
            # What LiteLLM adds to the error of /v1/messages, whose own type says only the kind of status.
            provider_specific_fields={"code": code},
        )

    def to_dict(self) -> dict[str, object]:
        """The object under `error` of the answer; LiteLLM's own would put the HTTP status into `code`."""
        return {"message": self.message, "type": self.refusal_code, "param": self.param, "code": self.refusal_code}
