"""Put a guard before a view."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from django_secure_session.cookies import vary
from django_secure_session.guards.admission import aadmit, admit
from django_secure_session.guards.policy import Policy
from django_secure_session.guards.responses import REFUSED, answer


def guarded(view: Callable[..., Any], policies: tuple[Policy, ...]) -> Any:
    """Return a view behind policies, not yet marked as guarded.

    Its responses vary with the cookie already here: ``cache_page()`` around the guard
    looks before the session middleware says so.
    """

    def admitted(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            admit(request, policies)
        except REFUSED as refused:
            return _varied(answer(request, refused))
        return _varied(view(request, *args, **kwargs))

    return admitted


def aguarded(view: Callable[..., Any], policies: tuple[Policy, ...]) -> Any:
    """See :func:`guarded`."""

    async def admitted(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            await aadmit(request, policies)
        except REFUSED as refused:
            return _varied(answer(request, refused))
        return _varied(await view(request, *args, **kwargs))

    return admitted


def _varied(response: Any) -> Any:
    if isinstance(response, HttpResponseBase):  # what else a view returns, Django tells
        vary(response)
    return response
