"""When a session dies: Django's ``set_expiry()`` as times for the seal."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django_secure_session.codec import ENDS_WITH_BROWSER, FIXED_DATE, U32_MAX


class Expiry(NamedTuple):
    """What goes into the seal; see :class:`~django_secure_session.codec.Metadata`."""

    expires: int
    age: int
    flags: int


def expiry_at(
    now: int, custom: object, *, cookie_age: int, at_browser_close: bool
) -> Expiry:
    """Return the expiry of a session saved at *now*.

    *custom* is the ``_session_expiry`` that set_expiry() put into the session: None,
    seconds since the last save, or a date. *cookie_age* counts where that says nothing,
    and for a session that ends with the browser: nobody knows when that will be.
    """
    if isinstance(custom, str):
        custom = datetime.fromisoformat(custom)
    if isinstance(custom, datetime):
        return Expiry(clamp(custom.timestamp()), 0, FIXED_DATE)
    if isinstance(custom, (int, float)) and custom:
        return Expiry(clamp(now + custom), clamp(custom), 0)
    ends = at_browser_close if custom is None else custom == 0
    return Expiry(clamp(now + cookie_age), 0, ENDS_WITH_BROWSER if ends else 0)


def clamp(seconds: float) -> int:
    """Cut to what 32 unsigned bits hold."""
    return int(min(max(seconds, 0), U32_MAX))
