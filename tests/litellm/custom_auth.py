"""Sign-in of the test proxy: the key sk-user-<id> is the PocketBase user <id>, nothing else gets in."""
import re
from litellm.proxy._types import ProxyException, UserAPIKeyAuth


async def user_api_key_auth(request, api_key: str) -> UserAPIKeyAuth:
    match = re.fullmatch(r"sk-user-([a-z0-9]{15})", api_key)
    if match is None:
        raise ProxyException(message="unknown key", type="auth_error", param="api_key", code=401)
    return UserAPIKeyAuth(api_key=api_key, user_id=match[1])
