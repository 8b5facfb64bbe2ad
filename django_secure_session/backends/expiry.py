"""Django's ``set_expiry()``, and the site's policy, as times for the seal."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from django_secure_session.codec.metadata import ENDS_WITH_BROWSER, FIXED_DATE, U32_MAX


class Expiry(NamedTuple):
    """What goes into the seal, where Metadata says what it means."""

    expires: int
    age: int
    flags: int


def policy_expiry(now: int, age: int, *, ends_with_browser: bool) -> Expiry:
    """Return the expiry that the site's policy gives a session saved at *now*.

    A session that ends with the browser has one too: nobody knows when that will be.
    """
    return Expiry(clamp(now + age), 0, ENDS_WITH_BROWSER if ends_with_browser else 0)


def custom_expiry(now: int, custom: object, policy_age: int) -> Expiry:
    """Return the expiry that set_expiry() gives a session saved at *now*.

    *custom* is the ``_session_expiry`` that it put into the session: seconds since the
    last save, 0 for the browser's end, or a date.
    """
    if isinstance(custom, str):
        custom = datetime.fromisoformat(custom)
    if isinstance(custom, datetime):
        return Expiry(clamp(custom.timestamp()), 0, FIXED_DATE)
    if isinstance(custom, (int, float)) and custom:
        return Expiry(clamp(now + custom), clamp(custom), 0)
    return policy_expiry(now, policy_age, ends_with_browser=custom == 0)


def expiry_in(now: int, max_age: float | timedelta) -> Expiry:
    """Return the expiry of a token that lives for *max_age*, in seconds."""
    if isinstance(max_age, timedelta):
        max_age = max_age.total_seconds()
    return Expiry(clamp(now + max_age), 0, FIXED_DATE)


def clamp(seconds: float) -> int:
    """Cut to what 32 unsigned bits hold."""
    return int(min(max(seconds, 0), U32_MAX))
