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
    "idle",  # not used for IDLE_TIMEOUT
    "future",  # issued more than a minute from now: a clock is wrong
    "ambiguous",  # several cookies of the name, of different sessions
    "lost",  # it points to an entry that the cache no longer has
    "stale",  # it points to an entry that the cache has another content for
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
    """The sealed session exceeds what browsers store (RFC 6265 section 6.1).

    *what* it would be, *size* and *limit* are in bytes; those of a cookie count its
    name too.
    """

    def __init__(
        self, what: str, size: int, limit: int, key_sizes: Mapping[str, int]
    ) -> None:
        largest = sorted(key_sizes, key=lambda key: -key_sizes[key])[:3]
        listed = ", ".join(f"{key!r} ({key_sizes[key]} bytes)" for key in largest)
        super().__init__(
            f"The session {what} would take {size} bytes and may take {limit}. Its "
            f"largest keys: {listed or 'none'}. Keep big values in the database or the "
            "cache and only their ids in the session."
        )
        self.what = what
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


class StoreUnavailable(SecureSessionError):
    """A store that a session needs did not answer; the session itself is as it was.

    ``SecureSessionMiddleware`` answers 503.
    """

    def __init__(self, cache_alias: str) -> None:
        super().__init__(
            f"The cache {cache_alias!r}, where large sessions are kept, can't be "
            "reached. The request can be repeated when it is back."
        )
        self.cache_alias = cache_alias
