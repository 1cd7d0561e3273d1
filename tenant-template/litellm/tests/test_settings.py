"""A gate with wrong settings does not start, and says everything that is wrong at once."""

from pathlib import Path

import pytest

from cf_gate.settings import SettingsError, load_settings
from tests.conftest import environment


def test_defaults(tmp_path: Path) -> None:
    settings = load_settings(environment(tmp_path))
    assert settings.outage_policy == "closed"
    assert settings.stale_allowance_nano == 1_000_000_000
    assert (settings.stale_max_s, settings.spool_max_age_s, settings.spool_keep_days) == (900, 21_600, 14)
    assert settings.center_timeout_s == 2


def test_pocketbase_url_stands_in_for_the_billing_api(tmp_path: Path) -> None:
    env = environment(tmp_path, BILLING_API_URL="", POCKETBASE_URL="https://pb.example/")
    assert load_settings(env).center_url == "https://pb.example"


def test_all_problems_are_listed_together() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"CF_SPOOL_PATH": "/no/such/folder/spool.db"})
    text = str(caught.value)
    for name in ("BILLING_API_URL", "CF_INGEST_KEY", "TENANT_SLUG", "CF_OWUI_KEY", "CF_OWUI_JWT_SECRET", "CF_SPOOL_PATH"):
        assert name in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BILLING_API_URL", "api.example"),
        ("BILLING_API_URL", "https://user:pass@api.example"),
        ("CF_INGEST_KEY", "sk-not-an-ingest-key"),
        ("TENANT_SLUG", "Acme GmbH"),
        ("CF_OWUI_KEY", "no-sk-prefix-at-all"),
        ("CF_OWUI_JWT_SECRET", "too-short"),
        ("CF_OUTAGE_POLICY", "open"),
        ("CF_STALE_ALLOWANCE_EUR", "-1"),
        ("CF_STALE_ALLOWANCE_EUR", "much"),
        ("CF_STALE_MAX_SECONDS", "soon"),
        ("CF_SPOOL_MAX_AGE_SECONDS", "0"),
        ("CF_CENTER_TIMEOUT_SECONDS", "nan"),
        ("CF_SPOOL_KEEP_DAYS", "0"),
    ],
)
def test_a_malformed_setting_stops_the_start_without_being_shown(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(environment(tmp_path, **{name: value}))
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith(name)
    if name in ("CF_INGEST_KEY", "CF_OWUI_KEY", "CF_OWUI_JWT_SECRET"):
        assert value not in str(caught.value)
