"""Requests with a raw Cookie header, through Django's own handlers, and a browser.

``wsgi`` and ``asgi`` answer one request by the URLconf, or by the view that they are
given. ``both`` does both and compares. :class:`Browser` keeps cookies as RFC 6265bis
says, over any of the three.
"""

from __future__ import annotations

import asyncio
import contextvars
import io
import json
import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from itertools import count
from typing import Any, NamedTuple

from asgiref.sync import async_to_sync
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import JsonResponse
from django.urls import ResolverMatch
from django.utils import translation
from django.utils.encoding import escape_uri_path

from django_secure_session import conf
from django_secure_session.codec.metadata import Metadata

SECURE_MIDDLEWARE = "django_secure_session.middleware.SecureSessionMiddleware"
HOST = "www.example.com"

Cookie = bytes | Sequence[bytes]


class Answer(NamedTuple):
    """A response as it went over the wire; header names are lower-case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def set_cookies(self) -> list[str]:
        return [value for name, value in self.headers if name == "set-cookie"]

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)

    def json(self) -> Any:
        return json.loads(self.body)

    def without_tokens(self) -> Answer:
        """What is the same each time: tokens hold random bytes."""
        masked = [
            (k, re.sub("=[^;]+", "=...", v, count=1) if k == "set-cookie" else v)
            for k, v in self.headers
        ]
        return Answer(self.status, masked, self.body)


# Tokens


def sealed(
    data: dict[str, Any],
    *,
    sid: bytes = b"",
    issued: int = 0,
    alias: str = conf.DEFAULT_ALIAS,
    purpose: str = conf.SESSION_PURPOSE,
) -> str:
    """Return a token that was issued so many seconds from now and lives two weeks."""
    codec = conf.get_codec(alias, purpose)
    at = int(time.time()) + issued
    metadata = Metadata(sid or secrets.token_bytes(16), at, at, at + 1209600)
    return codec.seal(metadata, codec.dump(data))


# Views


def shown(request) -> JsonResponse:
    """Answer with what the session is, and why."""
    session = request.session
    return JsonResponse({"data": dict(session.items()), "rejection": session.rejection})


async def ashown(request) -> JsonResponse:
    """See :func:`shown`."""
    data = dict(await request.session.aitems())
    return JsonResponse({"data": data, "rejection": await request.session.arejection()})


def writing(**data: Any) -> Callable[[Any], JsonResponse]:
    """Return a view that replaces the session's data under a new sid, as a log-in."""

    def view(request):
        request.session.cycle_key()
        request.session.clear()
        request.session.update(data)
        return JsonResponse(data)

    return view


def calling(name: str, attribute: str = "session") -> Callable[[Any], JsonResponse]:
    """Return a view that calls one method of a session."""

    def view(request):
        getattr(getattr(request, attribute), name)()
        return JsonResponse({})

    return view


# Servers


class _Resolving:
    """A handler that may have one view in the place of the URLconf."""

    def __init__(self, view: Callable[..., Any] | None) -> None:
        self.view = view
        super().__init__()

    def resolve_request(self, request):
        if self.view is None:
            return super().resolve_request(request)
        request.resolver_match = ResolverMatch(self.view, (), {})
        return request.resolver_match


class _WSGI(_Resolving, WSGIHandler):
    pass


class _ASGI(_Resolving, ASGIHandler):
    pass


def _parts(cookie: Cookie) -> list[bytes]:
    return [cookie] if isinstance(cookie, bytes) else list(cookie)


def wsgi(
    view: Callable[..., Any] | None = None,
    cookie: Cookie = (),
    *,
    path: str = "/",
    method: str = "GET",
    host: str = HOST,
    secure: bool = False,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
) -> Answer:
    """Answer a request under WSGI, where a server has joined split Cookie headers."""
    path, _, query = path.partition("?")
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path.encode().decode("latin-1"),  # as PEP 3333 has it
        "QUERY_STRING": query,
        "SERVER_NAME": "server",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": host,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "https" if secure else "http",
    }
    for name, value in (headers or {}).items():
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    if parts := _parts(cookie):
        environ["HTTP_COOKIE"] = b"; ".join(parts).decode("latin-1")
    started: list[Any] = []
    response = _WSGI(view)(environ, lambda *args: started.append(args))
    content = b"".join(response)
    response.close()
    (status, sent), *_ = started
    # Django before 6.0 sends the cookies with a space before them.
    answered = [(name.lower(), value.strip()) for name, value in sent]
    return Answer(int(status[:3]), answered, content)


async def aasgi(
    view: Callable[..., Any] | None = None,
    cookie: Cookie = (),
    *,
    path: str = "/",
    method: str = "GET",
    host: str = HOST,
    secure: bool = False,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
) -> Answer:
    """Answer a request under ASGI, each part of the cookie a header of its own."""
    path, _, query = path.partition("?")
    named = {"host": host, "content-length": str(len(body)), **(headers or {})}
    raw = [(k.lower().encode(), v.encode("latin-1")) for k, v in named.items()]
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "scheme": "https" if secure else "http",
        "headers": raw + [(b"cookie", part) for part in _parts(cookie)],
    }
    arriving = [{"type": "http.request", "body": body}]
    sent: list[dict[str, Any]] = []

    async def receive():
        return arriving.pop() if arriving else await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    await _ASGI(view)(scope, receive, send)
    start, *rest = sent
    answered = [(k.decode().lower(), v.decode("latin-1")) for k, v in start["headers"]]
    content = b"".join(message.get("body", b"") for message in rest)
    return Answer(start["status"], answered, content)


def asgi(*args: Any, **kwargs: Any) -> Answer:
    """See :func:`aasgi`; in an event loop, and a context, of its own.

    Each change of CACHES leaves a variable in the context, and each step from sync to
    async code goes through all of them. Of what is there only the language is kept.
    """
    context = contextvars.Context()
    language = translation.get_language()
    if language is not None:
        context.run(translation.activate, language)
    return context.run(async_to_sync(aasgi), *args, **kwargs)


SERVERS = [wsgi, asgi]


def both(*args: Any, **kwargs: Any) -> Answer:
    """Answer under WSGI and ASGI, and assert that nothing but tokens differs."""
    one, other = wsgi(*args, **kwargs), asgi(*args, **kwargs)
    assert one.without_tokens() == other.without_tokens()
    return one


# A browser


PUBLIC_SUFFIXES = {"com", "org", "uk", "co.uk"}
_PREFIXES = ("__secure-", "__host-", "__http-", "__host-http-")
_created = count()


@dataclass(kw_only=True)
class Stored:
    """One cookie in a browser."""

    name: str
    value: str
    domain: str
    host_only: bool
    path: str
    secure: bool
    httponly: bool
    samesite: str
    partitioned: bool
    expires: float | None
    created: int = field(default_factory=lambda: next(_created))

    def identity(self) -> tuple[object, ...]:
        return self.name, self.domain, self.host_only, self.path, self.partitioned


class Browser:
    """Keeps and sends cookies: RFC 6265bis sections 5.6 to 5.8, and CHIPS."""

    def __init__(self, server=wsgi, *, host: str = HOST, secure: bool = False) -> None:
        self.server = server
        self.host = host
        self.secure = secure
        self.cookies: dict[tuple[object, ...], Stored] = {}

    def get(self, view=None, **kwargs: Any) -> Answer:
        path = escape_uri_path(kwargs.get("path", "/").partition("?")[0])
        header = self.header(path).encode("latin-1")
        answer = self.server(
            view,
            cookie=header or (),
            host=self.host,
            secure=self.secure,
            **kwargs,
        )
        for line in answer.set_cookies:
            self.store(line, path=path)
        return answer

    def named(self, name: str) -> list[Stored]:
        """Return the live cookies of a name, and chunks of it."""
        self._forget()
        return [
            cookie
            for cookie in self.cookies.values()
            if re.fullmatch(rf"{re.escape(name)}(\.\d+)?", cookie.name)
        ]

    def header(self, path: str = "/") -> str:
        """Return the Cookie header that this browser sends."""
        self._forget()
        sent = [
            cookie
            for cookie in self.cookies.values()
            if (cookie.host_only and cookie.domain == self.host)
            or (not cookie.host_only and _domain_matches(self.host, cookie.domain))
            if _path_matches(path, cookie.path)
            if self.secure or not cookie.secure
        ]
        sent.sort(key=lambda cookie: (-len(cookie.path), cookie.created))
        return "; ".join(
            f"{cookie.name}={cookie.value}" if cookie.name else cookie.value
            for cookie in sent
        )

    def store(self, line: str, *, host: str = "", path: str = "/") -> bool:
        """Take a Set-Cookie header of a host, this one's if none is given.

        Return False for one that browsers drop, which they do without a word.
        """
        cookie = self._parsed(line, host or self.host, path)
        if cookie is None or not self._accepts(cookie):
            return False
        old = self.cookies.pop(cookie.identity(), None)
        if old is not None:
            cookie.created = old.created
        self.cookies[cookie.identity()] = cookie
        return True

    def _parsed(self, line: str, host: str, path: str) -> Stored | None:
        pair, *rest = line.split(";")
        before, equals, after = pair.partition("=")
        name, value = (before, after) if equals else ("", before)
        said: dict[str, str] = {}
        for attribute in rest:
            key, _, text = attribute.partition("=")
            if len(text.strip(" \t")) <= 1024:
                said[key.strip(" \t").lower()] = text.strip(" \t")
        domain = said.get("domain", "").removeprefix(".").lower()
        if domain in PUBLIC_SUFFIXES:
            if domain != host:
                return None
            domain = ""
        if domain and not _domain_matches(host, domain):
            return None
        given_path = said.get("path", "")
        return Stored(
            name=name.strip(" \t"),
            value=value.strip(" \t"),
            domain=domain or host,
            host_only=not domain,
            path=given_path if given_path.startswith("/") else _default_path(path),
            secure="secure" in said,
            httponly="httponly" in said,
            samesite=said.get("samesite", "").lower(),
            partitioned="partitioned" in said,
            expires=_expires(said),
        )

    def _accepts(self, cookie: Stored) -> bool:
        name, value = cookie.name.lower(), cookie.value.lower()
        if len((cookie.name + cookie.value).encode("latin-1")) > 4096:
            return False
        if not name and (not value or value.startswith(_PREFIXES)):
            return False
        if cookie.secure and not self.secure:
            return False
        needs_secure = cookie.partitioned or cookie.samesite == "none"
        if (needs_secure or name.startswith(_PREFIXES)) and not cookie.secure:
            return False
        if name.startswith("__host-") and not (cookie.host_only and cookie.path == "/"):
            return False
        if name.startswith(("__http-", "__host-http-")) and not cookie.httponly:
            return False
        return self.secure or not any(
            old.secure and old.name == cookie.name and _domains_meet(old, cookie)
            for old in self.cookies.values()
        )

    def _forget(self) -> None:
        now = time.time()
        for identity, cookie in list(self.cookies.items()):
            if cookie.expires is not None and cookie.expires <= now:
                del self.cookies[identity]


def _domain_matches(host: str, domain: str) -> bool:
    is_address = re.fullmatch(r"[\d.]+|\[.*\]", host)
    return host == domain or (host.endswith(f".{domain}") and not is_address)


def _domains_meet(one: Stored, other: Stored) -> bool:
    return _domain_matches(one.domain, other.domain) or _domain_matches(
        other.domain, one.domain
    )


def _path_matches(path: str, cookie_path: str) -> bool:
    if path == cookie_path:
        return True
    return path.startswith(cookie_path) and (
        cookie_path.endswith("/") or path[len(cookie_path)] == "/"
    )


def _default_path(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def _expires(said: dict[str, str]) -> float | None:
    if re.fullmatch(r"-?\d+", said.get("max-age", "")):
        seconds = int(said["max-age"])
        return time.time() + seconds if seconds > 0 else float("-inf")
    if "expires" in said:
        return parsedate_to_datetime(said["expires"]).timestamp()
    return None
