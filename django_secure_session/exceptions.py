"""The errors this package raises; every text says what, where and the way out.

No text holds key material, a token or a session value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from django.core.exceptions import ImproperlyConfigured

#: Why a token was refused.
Reason = Literal[
    "malformed",  # no token of any version: wrong length, alphabet or spelling
    "unknown_version",  # a token of a version this release does not know
    "unknown_key",  # sealed with a key, or for a context, that is not configured
    "tampered",  # changed since it was sealed
    "undecodable",  # sealed with our key, but the content makes no session
    "expired",  # too old
    "future",  # issued more than a minute from now: a clock is wrong
]


class SecureSessionError(Exception):
    """Root of every error raised by this package."""


class InvalidKey(SecureSessionError, ImproperlyConfigured):
    """A key in the settings can't be used; raised at start-up."""


class BadToken(SecureSessionError):
    """A token was refused; ``reason`` says why."""

    if TYPE_CHECKING:  # an __init__ of our own would cost a fifth of refusing a token

        def __init__(self, reason: Reason) -> None: ...

    @property
    def reason(self) -> Reason:
        """Why the token was refused."""
        reason: Reason = self.args[0]
        return reason


class SessionTooLarge(SecureSessionError, ValueError):
    """The sealed session exceeds what a browser stores (RFC 6265 section 6.1).

    *size* and *limit* are the bytes of the token that was made and that were allowed;
    for a *cookie*, given by its name, the text and the attributes count that name too.
    """

    def __init__(
        self, cookie: str | None, size: int, limit: int, key_sizes: Mapping[str, int]
    ) -> None:
        if cookie is not None:
            size, limit = size + len(cookie), limit + len(cookie)
        largest = sorted(key_sizes, key=lambda key: -key_sizes[key])[:3]
        listed = ", ".join(f"{key!r} ({key_sizes[key]} bytes)" for key in largest)
        what = "token" if cookie is None else f"cookie {cookie!r}"
        super().__init__(
            f"The session {what} would take {size} bytes and may take {limit}. Its "
            f"largest keys: {listed or 'none'}. Keep big values in the database or the "
            "cache and only their ids in the session."
        )
        self.cookie = cookie
        self.size = size
        self.limit = limit
        self.largest_keys = largest


class SessionTooDeep(SecureSessionError, ValueError):
    """The session nests deeper than every supported Python can read back."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The session nests lists and dicts deeper than {limit} levels, or one of "
            "them holds itself. Store a flatter structure, or keep it elsewhere and "
            "only its id here."
        )
        self.limit = limit
