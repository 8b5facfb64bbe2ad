"""A site with the registry that breaks, and visitors who hold on to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from asgiref.local import Local
from django.core.management import call_command
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from tests.accounts_site import ACCOUNTS, ADA, Doing, People, Visitor, provider_path
from tests.http import SECURE_MIDDLEWARE, SERVERS, Answer
from tests.visits import site

#: tests/conftest.py takes it away from all tests; a server that comes back needs it.
GIVE_UP_BROKEN = BaseDatabaseWrapper.close_if_unusable_or_obsolete

# What visitors do


async def log_in(on: Doing) -> str:
    await on.login(ADA)
    return "in"


async def log_out(on: Doing) -> str:
    await on.logout()
    return "out"


async def cycle(on: Doing) -> str:
    await on.session("cycle_key")
    return "cycled"


async def write(on: Doing) -> str:
    await on.set("written", 1)
    return "written"


async def who(on: Doing) -> str:
    account = await on.call(on.request, "account")
    return account.id if account else "nobody"


def ask(visitor: Visitor, action: Callable[[Doing], Any] = who) -> str | int:
    """Return what the site answers: a text, or the status where that is not 200."""
    answer = visitor.ask(action)
    return json.loads(answer.body) if answer.status == 200 else answer.status


def copy_of(visitor: Visitor) -> Visitor:
    """Return a thief with the visitor's cookies."""
    thief = Visitor(visitor.server)
    thief.cookies = dict(visitor.cookies)
    return thief


def logged_in(server: Callable[..., Answer]) -> Visitor:
    visitor = Visitor(server)
    assert ask(visitor, log_in) == "in"
    return visitor


def is_unavailable(answer: Answer) -> bool:
    """Tell whether an answer is the 503 that leaves the cookie as it is."""
    assert answer.status == 503, answer
    assert answer.header("retry-after") == "5"
    return not answer.set_cookies


# Fixtures


@pytest.fixture
def faulty_site(settings, monkeypatch) -> None:
    """A site with accounts."""
    settings.MIDDLEWARE = [SECURE_MIDDLEWARE, ACCOUNTS]
    settings.SECURE_SESSION = site(ACCOUNT_PROVIDER=provider_path())
    monkeypatch.setattr(
        BaseDatabaseWrapper, "close_if_unusable_or_obsolete", GIVE_UP_BROKEN
    )
    People.reset()


each_server = pytest.mark.parametrize("server", SERVERS, ids=["wsgi", "asgi"])


def redis_cache(url: str, seconds: float) -> dict[str, Any]:
    """Return CACHES with a Redis that is waited for so long."""
    timeouts = dict.fromkeys(("socket_timeout", "socket_connect_timeout"), seconds)
    return {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": url,
            "OPTIONS": timeouts,
        }
    }


@contextmanager
def database(entry: dict[str, Any]) -> Iterator[None]:
    """Let another database be the site's, in all threads."""
    with pytest.MonkeyPatch.context() as patch:
        configured = connections.configure_settings({"default": entry})
        patch.setattr(connections, "settings", configured)
        patch.setattr(connections, "_connections", Local(connections.thread_critical))
        try:
            yield
        finally:
            connections.close_all()


def migrate() -> None:
    """Make the registry's tables; nothing else here needs any."""
    call_command("migrate", "secure_session_registry", verbosity=0)


def with_options(entry: dict[str, Any], options: str) -> dict[str, Any]:
    """Return a database whose connections have other settings of PostgreSQL's."""
    return {**entry, "OPTIONS": {"options": options}}


@contextmanager
def another_client(entry: dict[str, Any]) -> Iterator[psycopg.Connection]:
    """Give a connection to the same database, past Django, with a transaction."""
    names = {"HOST": "host", "PORT": "port", "USER": "user", "NAME": "dbname"}
    place = {names[each]: entry[each] for each in names}
    with psycopg.connect(**place) as client:
        yield client
        client.rollback()
