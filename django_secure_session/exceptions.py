"""The errors this package raises; every text says what, where and the way out.

No text holds key material, a token or a session value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from django.core.exceptions import ImproperlyConfigured, PermissionDenied

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
    "revoked",  # somebody has ended the session, or logged it out
]

#: Why an API key was refused.
KeyRejection = Literal[
    "malformed",  # no key: wrong length, prefix, alphabet or check
    "unknown",  # there is none of this id with this secret
    "revoked",  # somebody has ended it
    "expired",  # too old, or its successor's turn has come
    "no_account",  # the provider knows no such account, or it is disabled
    "no_org",  # the account is no member of the key's organisation
    "insufficient_scope",  # the key is good, but not for this
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


class SessionReadOnly(SecureSessionError):
    """A log-in or log-out where an API key has let the request in.

    Its session is in memory, and no response to it sets a cookie.
    """

    def __init__(self) -> None:
        super().__init__(
            "An API key has let this request in, so there is no session to log in to "
            "or out of: no response to it sets a cookie. Log in from a view that is "
            "not guarded by @authorized."
        )


class StoreUnavailable(SecureSessionError):
    """A store that a request needs did not answer; the session itself is as it was.

    The middleware answers 503. *store* says which, as a part of a sentence.
    """

    def __init__(self, store: str) -> None:
        super().__init__(
            f"{store} can't be reached. The request can be repeated when it is back."
        )
        self.store = store


#: Why a guard refused.
Refusal = Literal[
    "not_authenticated",  # nobody is logged in, or no key counts
    "not_fresh",  # the log-in is too long ago
    "not_verified",  # the account is not verified
    "wrong_role",  # it has none of the roles
    "no_org",  # it acts for no organisation
    "invalid_key",  # an API key was sent that is good for nobody
    "insufficient_scope",  # the API key lacks a scope
    "not_allowed",  # what a view of the site says without a reason
]


class NotAuthenticated(SecureSessionError):
    """A guard wants a log-in, a newer log-in, or an API key.

    ``AccountMiddleware`` answers with a redirect, or 401. ``reason`` says why, and
    ``schemes`` what would be accepted: "Cookie", "Bearer". For one that is not fresh
    ``max_age`` is the age in seconds that the log-in must be under.
    """

    def __init__(
        self,
        reason: Refusal = "not_authenticated",
        schemes: tuple[str, ...] = ("Cookie",),
        max_age: int | None = None,
    ) -> None:
        wants_key = reason == "not_authenticated" and "Cookie" not in schemes
        super().__init__(_NO_KEY if wants_key else _REFUSALS[reason])
        self.reason = reason
        self.schemes = schemes
        self.max_age = max_age


class NotAuthorized(SecureSessionError, PermissionDenied):
    """An account is logged in that may not do this; 403. ``reason`` says why.

    A view may raise it with a text of its own, which people are shown. ``scopes`` are
    those that an API key would have to have.
    """

    def __init__(
        self, reason: Refusal | str = "not_allowed", scopes: tuple[str, ...] = ()
    ) -> None:
        super().__init__(_REFUSALS.get(reason, reason))
        self.reason = reason if reason in _REFUSALS else "not_allowed"
        self.scopes = scopes


_NO_KEY = "Send an API key that allows this, as Authorization: Bearer KEY."
_REFUSALS: dict[str, str] = {
    "not_authenticated": "Log in to do this.",
    "not_fresh": "Confirm who you are to do this.",
    "not_verified": "Your account has to be verified to do this.",
    "wrong_role": "Your role does not allow this.",
    "no_org": "Choose an organisation to do this.",
    "invalid_key": "This API key is not valid, or is so no longer.",
    "insufficient_scope": "This API key has not the scopes for this.",
    "not_allowed": "You may not do this.",
}
