"""A log-in, a copy of its cookie, the log-out, and the copy once more.

All of it happens on the server, with the functions of Django that any site has: for a
session engine it makes no difference who sends the cookie.

Nobody gets in with what is left. The session of this site's engine has ended, and its
token was sealed under another purpose than a cookie's; one of ``signed_cookies`` is no
session to this site, which has no such engine. The page shows the beginning of either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from django.contrib.auth import get_user, login, logout
from django.contrib.auth.models import User
from django.contrib.sessions.backends import signed_cookies
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest

from django_secure_session.backends import encrypted_cookies
from testproject.queries import Counter

T = TypeVar("T")
SHOWN = 20  # characters of a token


class Engine(NamedTuple):
    """A session engine; *arguments* are what its sessions are made with here."""

    store: type[SessionBase]
    arguments: dict[str, str]

    @property
    def name(self) -> str:
        return self.store.__module__.rpartition(".")[2]

    @property
    def package(self) -> str:
        return self.store.__module__.partition(".")[0]

    def session(self, *cookie: str) -> SessionBase:
        return self.store(*cookie, **self.arguments)

    def code(self, *cookie: str) -> str:
        """Return how :meth:`session` is written."""
        named = [f'{name}="{value}"' for name, value in self.arguments.items()]
        return f"request.session = SessionStore({', '.join([*cookie, *named])})"


ENGINES = [
    Engine(encrypted_cookies.SessionStore, {"purpose": "thief"}),
    Engine(signed_cookies.SessionStore, {}),
]


class Act(NamedTuple):
    """Lines of Python that were run, and how many queries that took."""

    code: str
    queries: int


class Replay(NamedTuple):
    """What a copy was good for: *name* is "" for nobody."""

    act: Act
    name: str
    rejection: str | None


class Theft(NamedTuple):
    """What happened under one engine."""

    engine: Engine
    log_in: Act
    copy: str
    length: int
    before: Replay
    log_out: Act
    after: Replay


def steal(engine: Engine, user: User, queries: Counter) -> Theft:
    """Let it all happen, and tell what it was; *queries* counts those of the page."""
    request = HttpRequest()
    cookie, took = _counted(queries, _log_in, engine, request, user)
    log_in = Act(f"{engine.code()}\nlogin(request, bob)", took)
    before = _replay(engine, cookie, queries)
    log_out = Act("logout(request)", _counted(queries, logout, request)[1])
    after = _replay(engine, cookie, queries)
    copy = cookie[:SHOWN]
    return Theft(engine, log_in, copy, len(cookie), before, log_out, after)


def _log_in(engine: Engine, request: HttpRequest, user: User) -> str:
    """Log a user in, and return what the browser would get as a cookie."""
    request.session = engine.session()
    login(request, user)
    request.session.save()  # which the middleware does for a site
    return str(request.session.session_key)


def _replay(engine: Engine, cookie: str, queries: Counter) -> Replay:
    """Send the copy as the thief would: to a request that has nothing else."""
    request = HttpRequest()
    request.session = engine.session(cookie)
    user, took = _counted(queries, get_user, request)
    act = Act(f"{engine.code('copy')}\nget_user(request)", took)
    rejection = getattr(request.session, "rejection", None)  # Django's tell nothing
    return Replay(act, user.get_username(), rejection)


def _counted(queries: Counter, function: Callable[..., T], *args: Any) -> tuple[T, int]:
    before = queries.count
    return function(*args), queries.count - before
