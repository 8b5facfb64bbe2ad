"""The site that requests are sent to: one project, one database, set up in many ways.

The database is a file of SQLite with a write-ahead log; the cache is in this process.
No site has them nearer, so what needs them looks as good as it can.
"""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import django
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.test.utils import override_settings

Handler = Callable[..., Any]

DJANGOS = "django.contrib.sessions.backends"
OUR_ENGINE = "django_secure_session.backends.encrypted_cookies"
STOCK_MIDDLEWARE = "django.contrib.sessions.middleware.SessionMiddleware"
OUR_MIDDLEWARE = "django_secure_session.middleware.SecureSessionMiddleware"

COOKIE = "sessionid"


@dataclass(frozen=True)
class Setup:
    """A session engine and MIDDLEWARE; without either, no session."""

    engine: str = ""
    middleware: tuple[str, ...] = ()


@contextlib.contextmanager
def site(
    urlconf: str,
    apps: Sequence[str],
    *,
    is_async: bool,
    database: dict[str, Any] | None = None,
) -> Iterator[None]:
    """Configure Django, with a database in a directory that goes away again.

    Or with another one: *database* is what DATABASES says of it.
    """
    with tempfile.TemporaryDirectory() as directory:
        settings.configure(
            ALLOWED_HOSTS=["shop.example.org"],
            DATABASES={
                "default": (database or _file(directory)) | _connecting(is_async)
            },
            INSTALLED_APPS=["django_secure_session", *apps],
            ROOT_URLCONF=urlconf,
            SECRET_KEY=secrets.token_urlsafe(50),
            SECURE_SESSION={"KEY": secrets.token_bytes(32)},
            SESSION_COOKIE_NAME=COOKIE,
            SESSION_ENGINE=OUR_ENGINE,
        )
        django.setup()
        yield


def _connecting(is_async: bool) -> dict[str, Any]:
    # Under ASGI connections must not persist, says Django; each request has a thread of
    # its own there.
    return {"CONN_MAX_AGE": 0 if is_async else None}


def _file(directory: str) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": f"{directory}/db.sqlite3",
        "OPTIONS": {
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
        },
    }


def handler(kind: type[WSGIHandler | ASGIHandler], setup: Setup) -> Handler:
    """Return a WSGI or ASGI handler of the site with this setup."""
    chosen: dict[str, Any] = {"MIDDLEWARE": setup.middleware}
    if setup.engine:
        chosen["SESSION_ENGINE"] = setup.engine
    with override_settings(**chosen):
        return kind()


def new_session(setup: Setup) -> Any:
    """Return an empty session of the setup's engine."""
    return import_module(setup.engine).SessionStore()


def cookie(session: Any) -> str:
    """Return the Cookie header of a browser that has this session."""
    session.save()
    return f"{COOKIE}={session.session_key}"
