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

    Its responses tell already here what they vary with: ``cache_page()`` around the
    guard looks before the middleware says so.
    """
    headers = _decisive_headers(policies)

    def admitted(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            admit(request, policies)
        except REFUSED as refused:
            return _varied(answer(request, refused), headers)
        return _varied(view(request, *args, **kwargs), headers)

    return admitted


def aguarded(view: Callable[..., Any], policies: tuple[Policy, ...]) -> Any:
    """See :func:`guarded`."""
    headers = _decisive_headers(policies)

    async def admitted(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            await aadmit(request, policies)
        except REFUSED as refused:
            return _varied(answer(request, refused), headers)
        return _varied(await view(request, *args, **kwargs), headers)

    return admitted


def _decisive_headers(policies: tuple[Policy, ...]) -> tuple[str, ...]:
    schemes = {policy.scheme for policy in policies}
    headers = {"Cookie": "Cookie", "Bearer": "Authorization"}
    return tuple(headers[scheme] for scheme in headers if scheme in schemes)


def _varied(response: Any, headers: tuple[str, ...]) -> Any:
    if isinstance(response, HttpResponseBase):  # what else a view returns, Django tells
        vary(response, *headers)
    return response
