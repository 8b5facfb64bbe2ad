"""The session middleware: cookies in, sessions on the request, cookies out.

It takes the place of Django's in MIDDLEWARE and needs no thread of its own: an async
request stays in its event loop, unless a session is in the cache.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port
from django.http.response import HttpResponseBase
from django.utils.encoding import escape_uri_path

from django_secure_session import chunks, conf, cookies
from django_secure_session.accounts.keyed import admitted
from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.backends.exchange import CookieChange
from django_secure_session.exceptions import StoreUnavailable
from django_secure_session.middleware.accounts import (
    AccountMiddleware as AccountMiddleware,
)
from django_secure_session.middleware.accounts import (
    AccountRequiredMiddleware as AccountRequiredMiddleware,
)
from django_secure_session.middleware.answers import too_large, unavailable
from django_secure_session.middleware.engine import session_class


class SecureSessionMiddleware(SessionMiddleware):
    """Gives each request its sessions and each response their cookies."""

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)
        self._needs_thread = self._is_sync_subclass()
        self._session_class = session_class("SecureSessionMiddleware")

    def __call__(
        self, request: HttpRequest
    ) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Answer a request; where the chain is async, return an awaitable."""
        if self.async_mode:
            return self.__acall__(request)
        try:
            response: Any = self.process_request(request) or self.get_response(request)
        except StoreUnavailable:  # raised by the site's own page for a 500
            return unavailable()
        return self.process_response(request, response)

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        """See :meth:`__call__`."""
        if self._needs_thread:
            return await super().__acall__(request)
        response = self.process_request(request)
        if response is None:
            get_response: Any = self.get_response
            try:
                response = await get_response(request)
            except StoreUnavailable:
                return unavailable()
        return await self.aprocess_response(request, response)

    @classmethod
    def _is_sync_subclass(cls) -> bool:
        """Tell whether a subclass does what may not run in the event loop.

        Django's own way calls it in a thread.
        """
        ours = SecureSessionMiddleware
        return cls.aprocess_response is ours.aprocess_response and (
            cls.process_request is not ours.process_request
            or cls.process_response is not ours.process_response
        )

    # Request

    def process_request(  # type: ignore[override]
        self, request: HttpRequest
    ) -> HttpResponse | None:
        """Put the sessions on the request; answer one with too much of a header."""
        header = cookies.received(request)
        if header is None:
            return too_large()
        for config in conf.get_configs().values():
            session = self._open(config, header)
            setattr(request, config.attribute, session)
            if request.path_info.startswith(config.url_prefixes):
                request.session = session
        return None

    def _open(self, config: conf.SessionConfig, header: str) -> SessionStore:
        tokens = cookies.tokens(header, config.cookie.name)
        # Of several any will do until they are opened, but for one that Django drops.
        token = max(tokens, key=len) if tokens else None
        session = self._session_class(token, alias=config.alias)
        session.accept(tokens)
        return session

    # Response

    def process_response(  # type: ignore[override]
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Save what changed and tell the browser."""
        sessions = self._sessions(request)
        try:
            if response.status_code < 500:
                for session in sessions:
                    session.save_for_response()
        except StoreUnavailable:
            return unavailable()
        return _finish(request, response, sessions)

    async def aprocess_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """See :meth:`process_response`."""
        sessions = self._sessions(request)
        try:
            if response.status_code < 500:
                for session in sessions:
                    await session.asave_for_response()
        except StoreUnavailable:
            return unavailable()
        return _finish(request, response, sessions)

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponse | None:
        """Answer 503 for a view that needed a session whose store is down."""
        return unavailable() if isinstance(exception, StoreUnavailable) else None

    def _sessions(self, request: HttpRequest) -> list[SessionStore]:
        """Return the sessions on the request; a view may have put others there.

        Where an API key has let a request in, its cookies are none of our business.
        """
        sessions: list[SessionStore] = []
        if admitted(request):
            return sessions
        for config in conf.get_configs().values():
            session = getattr(request, config.attribute, None)
            # Below a URL_PREFIX one session is there under two names.
            if isinstance(session, SessionStore) and session not in sessions:
                sessions.append(session)
                if not session.has_accepted:
                    header = cookies.received(request) or ""
                    session.accept(cookies.tokens(header, config.cookie.name))
        return sessions


def _finish(
    request: HttpRequest, response: HttpResponseBase, sessions: list[SessionStore]
) -> HttpResponseBase:
    """Return the response with the cookies and headers that the sessions need."""
    # Outside a view Django has made an error page of StoreUnavailable by now, and other
    # middleware has put its cookies on ours.
    if response.status_code in (500, 503) and any(s.unavailable for s in sessions):
        return unavailable()
    for session in sessions:
        change = session.cookie_change()
        # An error may undo what a registry was told: a view may be in a transaction.
        is_unsure = change and (change.token or session.was_registered)
        if change and not (response.status_code >= 500 and is_unsure):
            _tell_browser(request, response, change)
        elif session.accessed:
            cookies.vary(response)
    if admitted(request) and _has_read_cookies(request):
        cookies.vary(response)
    return response


def _has_read_cookies(request: HttpRequest) -> bool:
    names = [config.attribute for config in conf.get_configs().values()]
    sessions = [getattr(request, name, None) for name in names]
    return any(getattr(session, "accessed", False) for session in sessions)


def _tell_browser(
    request: HttpRequest, response: HttpResponseBase, change: CookieChange
) -> None:
    """Send the token, if any, and delete what else came under the cookie's name."""
    token, attributes, max_age, reach = change
    sent = chunks.split(attributes.name, token) if token else {}
    header = cookies.received(request) or ""
    leftovers = cookies.names_of(header, attributes.name) - sent.keys()
    secure = request.is_secure() if attributes.secure == "auto" else attributes.secure
    if reach != "none":
        path = escape_uri_path(request.path)  # what browsers compare, and no ";" in it
        above = cookies.paths_above(path) if reach == "all" else "/"
        cookies.expire_elsewhere(
            response,
            sorted(leftovers | sent.keys()),
            _host(request),
            [attributes.path, *above],
            attributes,
            secure=secure,
        )
    if leftovers:
        cookies.expire(response, leftovers, attributes, secure=secure)
    cookies.send(response, sent, attributes, max_age=max_age, secure=secure)
    cookies.vary(response)
    cookies.forbid_caching(response)


def _host(request: HttpRequest) -> str:
    try:
        return split_domain_port(request.get_host())[0]
    except DisallowedHost:
        return ""
