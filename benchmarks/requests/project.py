"""The smallest site that has sessions, with one engine after another.

It is always the same but for the session engine and its middleware. The database is a
file of SQLite with a write-ahead log; the cache is in this process. No site has them
nearer, so the engines that need them look as good as they can.
"""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import django
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.test.utils import override_settings

from benchmarks.sessions import Session

Handler = Callable[..., Any]

DJANGOS = "django.contrib.sessions.backends"
OUR_ENGINE = "django_secure_session.backends.encrypted_cookies"
STOCK_MIDDLEWARE = "django.contrib.sessions.middleware.SessionMiddleware"
OUR_MIDDLEWARE = "django_secure_session.middleware.SecureSessionMiddleware"

COOKIE = "sessionid"
NO_SESSION, BESIDE_STORES = "no session", "no session beside stores"
SIGNED, STOCK, OURS = "signed_cookies", "ours, stock", "ours"
STORES = ("db", "cache", "cached_db")


@dataclass(frozen=True)
class Setup:
    """A session engine and the middleware it runs under; without either, no session."""

    engine: str = ""
    middleware: str = ""


def groups(our_middleware: str) -> list[dict[str, Setup]]:
    """Return the setups by name, those together that take turns.

    The engines with a store have turns of their own: a database runs so much code that
    whatever comes after it finds the caches of the processor cold.
    """
    cookies = {
        NO_SESSION: Setup(),
        SIGNED: _stock(SIGNED),
        STOCK: Setup(OUR_ENGINE, STOCK_MIDDLEWARE),
        OURS: Setup(OUR_ENGINE, our_middleware),
    }
    return [cookies, {BESIDE_STORES: Setup()} | {name: _stock(name) for name in STORES}]


def _stock(engine: str) -> Setup:
    return Setup(f"{DJANGOS}.{engine}", STOCK_MIDDLEWARE)


@contextlib.contextmanager
def site(*, is_async: bool) -> Iterator[None]:
    """Configure Django and make the database, in a directory that goes away again."""
    with tempfile.TemporaryDirectory() as directory:
        settings.configure(
            DATABASES={"default": _database(directory, is_async)},
            INSTALLED_APPS=["django_secure_session", "django.contrib.sessions"],
            ROOT_URLCONF="benchmarks.requests.views",
            SECRET_KEY=secrets.token_urlsafe(50),
            SECURE_SESSION={"KEY": secrets.token_bytes(32)},
            SESSION_COOKIE_NAME=COOKIE,
            SESSION_ENGINE=OUR_ENGINE,
        )
        django.setup()
        _create_table()
        yield


def _database(directory: str, is_async: bool) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": f"{directory}/db.sqlite3",
        # Under ASGI connections must not persist, says Django; each request has a
        # thread of its own there.
        "CONN_MAX_AGE": 0 if is_async else None,
        "OPTIONS": {
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
        },
    }


def _create_table() -> None:
    from django.contrib.sessions.models import Session as Row  # needs the apps
    from django.db import connection

    with connection.schema_editor() as editor:
        editor.create_model(Row)


def handler(kind: type[WSGIHandler | ASGIHandler], setup: Setup) -> Handler:
    """Return a WSGI or ASGI handler of the site with this setup."""
    chosen: dict[str, Any] = {
        "MIDDLEWARE": [setup.middleware] if setup.middleware else []
    }
    if setup.engine:
        chosen["SESSION_ENGINE"] = setup.engine
    with override_settings(**chosen):
        return kind()


def cookie(setup: Setup, session: Session) -> str:
    """Return the Cookie header of a browser that has this session."""
    store = import_module(setup.engine).SessionStore()
    store.update(session)
    store.save()
    return f"{COOKIE}={store.session_key}"
