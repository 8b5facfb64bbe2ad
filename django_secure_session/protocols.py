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
