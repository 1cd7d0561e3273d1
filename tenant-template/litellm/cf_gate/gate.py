"""The callback that LiteLLM's config names: `cf_gate.gate.logger`. Importing it starts the gate."""

import litellm

from cf_gate.hooks import Gate
from cf_gate.runtime import get_runtime

# Twice the same: the template's config says so too. A call that is not logged is a call that is not paid.
litellm.global_disable_no_log_param = True

logger = Gate(get_runtime())
