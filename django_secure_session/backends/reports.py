"""Tell the log and the signals' receivers what became of a cookie.

Nothing here ever sees a token, a key or a value.
"""

from __future__ import annotations

import logging
from typing import Any

from django.dispatch import Signal

from django_secure_session.exceptions import (
    Reason,
    SessionTooLarge,
    StoreUnavailable,
)

logger = logging.getLogger("django_secure_session")

#: Anyone can send junk, so only what needs a key to make, or shows a fault of ours, is
#: worth a warning; expiry is routine.
_LEVELS: dict[Reason, int] = {
    "tampered": logging.WARNING,
    "undecodable": logging.WARNING,
    "future": logging.WARNING,
    "ambiguous": logging.WARNING,
    "stale": logging.WARNING,
    "expired": logging.DEBUG,
    "idle": logging.DEBUG,
}


def log_rejection(cookie_name: str, reason: Reason) -> None:
    """Log that a cookie was refused."""
    level = _LEVELS.get(reason, logging.INFO)
    logger.log(level, "Refused the session cookie %r: %s", cookie_name, reason)


def unavailable(store: str, cause: Exception | None = None) -> StoreUnavailable:
    """Log that a store did not answer, with what it said; return what to raise.

    *store* begins a sentence.
    """
    error = StoreUnavailable(store)
    error.__cause__ = cause
    logger.error("%s", error, exc_info=cause)
    return error


def log_too_large(cookie_name: str, error: SessionTooLarge) -> None:
    """Log that a session which nobody changed could not be sealed anew."""
    logger.warning("Kept the session cookie %r as it was: %s", cookie_name, error)


def log_undecodable() -> None:
    """Log a failed ``SessionBase.decode()`` where, and as, Django's engines do."""
    security_logger = logging.getLogger("django.security.SuspiciousSession")
    security_logger.warning("Session data corrupted")


def announce(signal: Signal, sender: type, **named: Any) -> None:
    """Send a signal; whatever a receiver does, the request goes on."""
    try:
        signal.send_robust(sender, **named)
    except RuntimeError:
        # Django runs async receivers with async_to_sync, which refuses to work where
        # an event loop runs: an async view that reads its session synchronously.
        logger.exception(
            "An async receiver of a session signal did not run: the session was used "
            "synchronously in async code. Await the a... methods there."
        )


async def aannounce(signal: Signal, sender: type, **named: Any) -> None:
    """Send a signal from async code; whatever a receiver does, the request goes on."""
    await signal.asend_robust(sender, **named)
