"""What optional apps do for the layers below them, which do not import those apps."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from django.http import HttpRequest

from django_secure_session.exceptions import KeyRejection
from django_secure_session.identity import Identity


class RejectedKey(NamedTuple):
    """An API key that is good for nobody. *key_id* is "" for what is no key at all."""

    reason: KeyRejection
    key_id: str = ""


class KeyVerifier(Protocol):
    """Tells whom an API key speaks for. ``api_keys`` has one."""

    @property
    def sender(self) -> type[Any]:
        """What signals about keys are sent with."""

    def verify(self, request: HttpRequest) -> Identity | RejectedKey:
        """Return whom the key in a request speaks for. Raise StoreUnavailable."""

    async def averify(self, request: HttpRequest) -> Identity | RejectedKey:
        """See :meth:`verify`."""


class Device(NamedTuple):
    """Where somebody has logged in from, as far as a request tells."""

    ip: str = ""
    user_agent: str = ""


class LogIn(NamedTuple):
    """A session that somebody is logged in to, as its seal has it.

    *user_id* is what Django has written into the data; only *claims* or it need be
    there. Times are Unix seconds; *expires* is when its latest token dies.
    """

    alias: str
    sid: bytes
    claims: bytes
    user_id: object
    created: int
    issued: int
    expires: int

    def __repr__(self) -> str:
        return "<LogIn>"  # neither sid nor claims are for an error page


class Registration(NamedTuple):
    """Where a session stands in the registry.

    *handle* is its public name there, for good. *epoch* is its account's, which grows
    with each change of what the site knows of that. *expires* is how long the registry
    remembers it, in Unix seconds.
    """

    handle: str
    sid: bytes
    account_id: str
    epoch: int
    expires: int

    def __repr__(self) -> str:
        return f"<Registration {self.handle}>"


class SessionRevoker(Protocol):
    """Knows which log-ins have ended. ``registry`` has one.

    Each method may ask a database, and raises StoreUnavailable where that is down.
    """

    def check(self, log_in: LogIn) -> Registration:
        """Return where a session stands. Raise BadToken ``revoked`` if it has ended."""

    def keep(
        self,
        log_in: LogIn,
        before: Registration | None,
        device: Device,
        *,
        has_grace: bool,
    ) -> Registration | None:
        """Note what will be in a cookie, None if the session must not go on.

        *before* is where it stood when it came; what is told then is a new sid, or that
        it lives longer. With *has_grace* requests on their way may still bring the sid
        that a new one takes the place of.
        """

    def end(self, registration: Registration) -> None:
        """End a session for good, under whatever sid it goes on."""

    def epoch(self, account_id: str) -> int:
        """Return the epoch of an account now."""

    def prune(self) -> int:
        """Forget sessions whose tokens are all too old, and return how many."""
