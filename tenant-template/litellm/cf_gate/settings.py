"""What the gate is told by its environment. A wrong setting stops the start; half a gate would let calls go unmetered."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal

OutagePolicy = Literal["closed", "stale"]

NANO = 1_000_000_000
MIN_SECRET_LENGTH = 32


class SettingsError(Exception):
    """Lists everything that is wrong, so that one restart is enough to put it right."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("The gate cannot start:\n" + "\n".join(f"  - {problem}" for problem in problems))


@dataclass(frozen=True)
class Settings:
    """Validated settings; durations in seconds, the allowance in nano-EUR."""

    center_url: str
    ingest_key: str
    tenant_slug: str
    owui_key: str
    owui_jwt_secret: str
    spool_path: Path
    outage_policy: OutagePolicy
    stale_allowance_nano: int
    stale_max_s: int
    spool_max_age_s: int
    center_timeout_s: float
    spool_keep_days: int


class _Reader:
    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.problems: list[str] = []

    def text(self, name: str, pattern: str, expected: str, default: str = "") -> str:
        value = self.env.get(name, "").strip() or default
        if value == "":
            self.problems.append(f"{name} is empty; it must be {expected}")
        elif re.fullmatch(pattern, value) is None:
            # The value itself is never shown: it may be a secret with a typing error.
            self.problems.append(f"{name} is malformed; it must be {expected}")
        return value

    def number(self, name: str, default: str, low: float, high: float) -> float:
        value = self.env.get(name, "").strip() or default
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not low <= number <= high:
            self.problems.append(f"{name} must be a number from {low:g} to {high:g}")
        return number

    def whole(self, name: str, default: str, low: int, high: int) -> int:
        number = self.number(name, default, low, high)
        return int(number) if low <= number <= high else low

    def euros(self, name: str, default: str) -> int:
        value = self.env.get(name, "").strip() or default
        try:
            amount = Decimal(value)
        except InvalidOperation:
            amount = Decimal("-1")
        if not 0 <= amount <= 10_000:
            self.problems.append(f'{name} must be EUR as a decimal number from 0 to 10000, such as "1.00"')
            return 0
        return int(amount * NANO)

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.env.get(name, "").strip() or default
        if value not in allowed:
            self.problems.append(f"{name} must be one of {', '.join(allowed)}")
        return value


def load_settings(env: Mapping[str, str], is_folder: Callable[[Path], bool] = Path.is_dir) -> Settings:
    """Reads and checks all settings.

    :raises SettingsError: with every problem at once; secrets are named, never shown
    """
    read = _Reader(env)
    name = "BILLING_API_URL" if env.get("BILLING_API_URL", "").strip() else "POCKETBASE_URL"
    if not env.get(name, "").strip():
        name = "BILLING_API_URL"
    url = read.text(name, r"https?://[^\s/?#@]+(/[^\s?#]*)?", "the address of the billing API, such as https://api.example")
    secret = rf"\S{{{MIN_SECRET_LENGTH},}}"
    spool = Path(env.get("CF_SPOOL_PATH", "").strip() or "/data/spool.db")
    if not is_folder(spool.parent):
        read.problems.append(f"CF_SPOOL_PATH: the folder {spool.parent} does not exist")
    policy = read.choice("CF_OUTAGE_POLICY", "closed", ("closed", "stale"))
    settings = Settings(
        center_url=url.rstrip("/"),
        ingest_key=read.text("CF_INGEST_KEY", r"cfi_\S{8,}", "this tenant's ingest key, which begins with cfi_"),
        tenant_slug=read.text("TENANT_SLUG", r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "the tenant's short name"),
        owui_key=read.text("CF_OWUI_KEY", r"sk-\S{16,}", "Open WebUI's own key, sk- and at least 16 characters"),
        owui_jwt_secret=read.text("CF_OWUI_JWT_SECRET", secret, f"a secret of at least {MIN_SECRET_LENGTH} characters"),
        spool_path=spool,
        outage_policy="stale" if policy == "stale" else "closed",
        stale_allowance_nano=read.euros("CF_STALE_ALLOWANCE_EUR", "1.00"),
        stale_max_s=read.whole("CF_STALE_MAX_SECONDS", "900", 0, 86_400),
        spool_max_age_s=read.whole("CF_SPOOL_MAX_AGE_SECONDS", "21600", 1, 7 * 86_400),
        center_timeout_s=read.number("CF_CENTER_TIMEOUT_SECONDS", "2", 0.05, 60),
        spool_keep_days=read.whole("CF_SPOOL_KEEP_DAYS", "14", 1, 365),
    )
    if read.problems:
        raise SettingsError(read.problems)
    return settings
