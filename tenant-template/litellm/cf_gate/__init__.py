"""The gate of a tenant's LiteLLM proxy: it asks the centre before every call and loses no usage afterwards.

LiteLLM's config.yaml names `cf_gate.gate.logger` as callback and `cf_gate.identity.user_api_key_auth` as custom_auth.
The package must be on PYTHONPATH and not beside config.yaml: LiteLLM would run it once per mention there, and callback
and sign-in would each have a spool of their own.
"""
