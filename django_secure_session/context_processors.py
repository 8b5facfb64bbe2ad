"""Context processors for templates."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from django_secure_session.middleware.requests import AccountRequest


class _Lazy(SimpleLazyObject):  # type: ignore[type-arg] # it takes none at run time
    """What is looked up only where a template uses it.

    Django's templates call what can be called, so there ``account is None`` holds for
    nobody; others take the object for what it stands for.
    """

    def __call__(self) -> Any:
        bool(self)  # looks it up
        return self._wrapped


def account(request: HttpRequest) -> dict[str, Any]:
    """Give templates ``account`` and ``org``."""
    if not isinstance(request, AccountRequest):  # an error page outside the middleware
        return {"account": None, "org": None}
    return {
        "account": _Lazy(lambda: request.account),
        "org": _Lazy(lambda: request.org),
    }
