"""The smallest site that has sessions, with one engine after another.

It is always the same but for the session engine and its middleware.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from benchmarks import site as any_site
from benchmarks.sessions import Session
from benchmarks.site import DJANGOS, OUR_ENGINE, OUR_MIDDLEWARE, STOCK_MIDDLEWARE, Setup

NO_SESSION, BESIDE_STORES = "no session", "no session beside stores"
SIGNED, STOCK, OURS = "signed_cookies", "ours, stock", "ours"
STORES = ("db", "cache", "cached_db")


def groups(our_middleware: str = OUR_MIDDLEWARE) -> list[dict[str, Setup]]:
    """Return the setups by name, those together that take turns.

    The engines with a store have turns of their own: a database runs so much code that
    whatever comes after it finds the caches of the processor cold.
    """
    cookies = {
        NO_SESSION: Setup(),
        SIGNED: _stock(SIGNED),
        STOCK: Setup(OUR_ENGINE, (STOCK_MIDDLEWARE,)),
        OURS: Setup(OUR_ENGINE, (our_middleware,)),
    }
    return [cookies, {BESIDE_STORES: Setup()} | {name: _stock(name) for name in STORES}]


def _stock(engine: str) -> Setup:
    return Setup(f"{DJANGOS}.{engine}", (STOCK_MIDDLEWARE,))


@contextlib.contextmanager
def site(*, is_async: bool) -> Iterator[None]:
    """Configure Django and make the database."""
    apps = ["django.contrib.sessions"]
    with any_site.site("benchmarks.requests.views", apps, is_async=is_async):
        _create_table()
        yield


def _create_table() -> None:
    from django.contrib.sessions.models import Session as Row  # needs the apps
    from django.db import connection

    with connection.schema_editor() as editor:
        editor.create_model(Row)


def cookie(setup: Setup, session: Session) -> str:
    """Return the Cookie header of a browser that has this session."""
    store = any_site.new_session(setup)
    store.update(session)
    return any_site.cookie(store)
