"""Sites with guards, and who asks them: helpers over tests/http.py."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from asgiref.sync import iscoroutinefunction
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.urls import URLResolver
from django.urls.resolvers import RoutePattern
from django.utils.decorators import method_decorator
from django.views import View

from django_secure_session import Account, Org, create_session, decode_session
from django_secure_session.accounts import claims
from django_secure_session.conf import DEFAULT_ALIAS, get_config
from django_secure_session.identity import Claims
from tests.http import HOST, SECURE_MIDDLEWARE, Answer, asgi, wsgi

ACCOUNTS = "django_secure_session.middleware.AccountMiddleware"
REQUIRED = "django_secure_session.middleware.AccountRequiredMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
USERS = "django.contrib.auth.middleware.AuthenticationMiddleware"
LOGIN_REQUIRED = "django.contrib.auth.middleware.LoginRequiredMiddleware"
DJANGOS = "django.contrib.sessions.middleware.SessionMiddleware"

STACK = [SECURE_MIDDLEWARE, CSRF, USERS, ACCOUNTS]
STOCK = [DJANGOS, *STACK[1:]]

#: What browsers send for a page, and what a script sends.
PAGE = {"Sec-Fetch-Mode": "navigate", "Accept": "text/html,*/*;q=0.8"}
FETCH = {"Sec-Fetch-Mode": "cors", "Accept": "application/json"}

ENTERED = b"entered"


# Who asks


def signed_in(
    role: str = "user",
    *,
    id: str = "7",
    verified: bool = False,
    org: str | None = None,
    age: int = 0,
    read: int = 0,
    data: dict[str, Any] | None = None,
    alias: str = DEFAULT_ALIAS,
) -> bytes:
    """Return the cookie of an account that proved itself *age* seconds ago.

    Its provider was asked *read* seconds ago.
    """
    session = create_session(data or {}, alias=alias)
    now = int(time.time())
    account = Account(id=id, role=role, verified=verified)
    sealed = Claims(account, Org(id=org) if org else None, now - read, now - age)
    session.replace_claims(claims.dump(sealed))
    session.save()
    return f"{get_config(alias).cookie_name}={session.session_key}".encode()


def session_of(cookie: bytes) -> Any:
    """Return the session in a cookie, None for none that is good."""
    return decode_session(cookie.decode().partition("=")[2])


def new_secret() -> str:
    """Return a secret for the check of forged requests, as Django makes them."""
    return secrets.token_hex(16)


def upload(content: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("file.txt", content)


def csrf_cookie(secret: str) -> bytes:
    return f"csrftoken={secret}".encode()


def together(*cookies: bytes) -> bytes:
    """Return one header: Django 5.2 reads the last alone where ASGI has several."""
    return b"; ".join(cookies)


# Views


def view(request, **kwargs):
    return HttpResponse(ENTERED)


async def aview(request, **kwargs):
    return HttpResponse(ENTERED)


class Page(View):
    def get(self, request, **kwargs):
        return HttpResponse(ENTERED)

    post = put = patch = delete = get


class AsyncPage(View):
    async def get(self, request, **kwargs):
        return HttpResponse(ENTERED)

    post = put = patch = delete = get


def on_dispatch(base: type[View], *decorators: Any) -> Callable[..., Any]:
    """Return a view of a subclass whose dispatch is decorated, the outer first."""
    decorated = method_decorator(decorators, name="dispatch")
    return decorated(type(base.__name__, (base,), {})).as_view()


#: Ways to put decorators on a view, by name; the outer first.
KINDS: dict[str, Callable[..., Any]] = {
    "function": lambda *decorators: _applied(view, decorators),
    "async function": lambda *decorators: _applied(aview, decorators),
    "class": lambda *decorators: _applied(Page.as_view(), decorators),
    "async class": lambda *decorators: _applied(AsyncPage.as_view(), decorators),
    "dispatch": lambda *decorators: on_dispatch(Page, *decorators),
    "async dispatch": lambda *decorators: on_dispatch(AsyncPage, *decorators),
}


def _applied(inner: Callable[..., Any], decorators: Any) -> Callable[..., Any]:
    def copy(request, **kwargs):
        return inner(request, **kwargs)

    async def acopy(request, **kwargs):
        return await inner(request, **kwargs)

    # A view of its own each time, because some decorators write on what they are given.
    decorated: Any = acopy if _is_async(inner) else copy
    for decorator in reversed(decorators):
        decorated = decorator(decorated)
    return decorated


def _is_async(inner: Callable[..., Any]) -> bool:
    return inner is aview or getattr(inner, "view_class", None) is AsyncPage


def asking(hold: Callable[[Any], Any]) -> Callable[..., Any]:
    """Return a view that asks the request for a guard before it goes on."""

    def asks(request):
        hold(request)
        return HttpResponse(ENTERED)

    return asks


def aasking(hold: Callable[[Any], Any]) -> Callable[..., Any]:
    async def asks(request):
        await hold(request)
        return HttpResponse(ENTERED)

    return asks


def views_in(included: Any) -> list[Callable[..., Any]]:
    """Return the views of what include() returned, or a guard made of that."""
    resolver = URLResolver(RoutePattern(""), included[0])
    return [pattern.callback for pattern in resolver.url_patterns]


def urlconf(*patterns: Any, **members: Any) -> ModuleType:
    """Return a URLconf for ROOT_URLCONF; handlers of errors are members."""
    module = ModuleType("urlconf")
    module.urlpatterns = list(patterns)  # type: ignore[attr-defined]
    vars(module).update(members)
    return module


def home(view: Callable[..., Any], *args: Any, **kwargs: Any) -> Answer:
    """Answer under ASGI where a view is async, and under WSGI where it is not."""
    server = asgi if iscoroutinefunction(view) else wsgi
    return server(view, *args, **kwargs)


# Answers


def entered(answer: Answer) -> bool:
    """Tell whether the view has answered."""
    return answer.status == 200 and answer.body == ENTERED


def location(answer: Answer) -> str:
    """Return where a redirect leads."""
    assert answer.status == 302, answer
    return answer.header("location") or ""


def way_back(answer: Answer) -> str:
    """Return the one ``next`` of a redirect."""
    (there,) = parse_qs(urlsplit(location(answer)).query, keep_blank_values=True)[
        "next"
    ]
    return there


def host_of(url: str, base: str = HOST) -> str:
    """Return the host that a browser goes to for a Location, as WHATWG URL says.

    It takes away controls at the ends, tabs and line breaks anywhere, and reads a
    backslash as a slash.
    """
    url = re.sub(r"[\t\r\n]", "", url.strip("".join(map(chr, range(33)))))
    url = url.replace("\\", "/")
    scheme = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]*):", url)
    if scheme:
        assert scheme[1].lower() in ("http", "https"), url
        url = "//" + url[scheme.end() :].lstrip("/")
    if not url.startswith("//"):
        return base
    return re.split(r"[/?#]", url.lstrip("/"), maxsplit=1)[0].rpartition("@")[2]
