"""Accounts on requests, and the answers to those whom a guard refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import (
    iscoroutinefunction,
    markcoroutinefunction,
    sync_to_async,
)
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from django_secure_session import conf
from django_secure_session.accounts import get_provider
from django_secure_session.accounts.keyed import Task, deferred, was_asked
from django_secure_session.backends.reports import logger
from django_secure_session.cookies import vary
from django_secure_session.exceptions import NotAuthorized, StoreUnavailable
from django_secure_session.guards.admission import aadmit, admit
from django_secure_session.guards.policy import SessionPolicy
from django_secure_session.guards.responses import REFUSED, answer, has_page
from django_secure_session.guards.routes import guards_of
from django_secure_session.middleware.answers import unavailable
from django_secure_session.middleware.engine import session_class
from django_secure_session.middleware.requests import prepare


class AccountMiddleware:
    """Gives each request ``account``, ``org``, ``auth_via`` and guards to call."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)
        session_class(conf.ACCOUNT_MIDDLEWARE)
        _refuse_missing_app()
        for config in conf.get_configs().values():
            get_provider(config.account_provider)

    def __call__(self, request: HttpRequest) -> Any:
        """Answer a request; where the chain is async, return an awaitable."""
        if not hasattr(request, "session"):
            raise ImproperlyConfigured(
                f"{conf.ACCOUNT_MIDDLEWARE} needs request.session. Put it after the "
                "session middleware in MIDDLEWARE."
            )
        prepare(request)
        if iscoroutinefunction(self):
            return self._acall(request)
        response = self.get_response(request)
        if note := deferred(request):
            _note_use(note)
        return _varied(request, response)

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        response = await self.get_response(request)
        if note := deferred(request):
            await sync_to_async(_note_use)(note)
        return _varied(request, response)

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponseBase | None:
        """Answer as a decorator would for what a guard has raised in a view."""
        if isinstance(exception, StoreUnavailable):
            return unavailable()
        if not isinstance(exception, REFUSED):
            return None
        if isinstance(exception, NotAuthorized) and has_page(request, exception):
            return None
        return answer(request, exception)


def _note_use(note: Task) -> None:
    """Note the use of a key; that this fails is no reason to refuse it."""
    try:
        note()
    except DatabaseError:
        logger.exception("The use of an API key could not be noted.")


def _varied(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Tell caches of a key that a view has asked for itself."""
    if was_asked(request):
        vary(response, "Authorization")
    return response


class AccountRequiredMiddleware:
    """Makes each view one for accounts, as ``@authenticated`` would.

    Not so the views that have a guard of their own, are ``@public``, or bear Django's
    ``login_not_required``.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)
            # Django would run the other in a thread.
            self.process_view = self._aprocess_view  # type: ignore[method-assign,assignment]

    def __call__(self, request: HttpRequest) -> Any:
        """Answer a request; where the chain is async, return an awaitable."""
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], *_: Any
    ) -> HttpResponseBase | None:
        """Answer a request that may not go on to its view."""
        if not _is_gated(view):
            return None
        try:
            admit(request, ANY_ACCOUNT)
        except REFUSED as refused:
            return answer(request, refused)
        except StoreUnavailable:
            return unavailable()
        return None

    async def _aprocess_view(
        self, request: HttpRequest, view: Callable[..., Any], *_: Any
    ) -> HttpResponseBase | None:
        if not _is_gated(view):
            return None
        try:
            await aadmit(request, ANY_ACCOUNT)
        except REFUSED as refused:
            return answer(request, refused)
        except StoreUnavailable:
            return unavailable()
        return None


ANY_ACCOUNT = (SessionPolicy(),)


def _is_gated(view: Callable[..., Any]) -> bool:
    return not guards_of(view) and getattr(view, "login_required", True)


def _refuse_missing_app() -> None:
    if not apps.is_installed("django_secure_session"):
        raise ImproperlyConfigured(
            f"{conf.ACCOUNT_MIDDLEWARE} needs the app, which listens to the log-ins of "
            'Django. Add "django_secure_session" to INSTALLED_APPS.'
        )
