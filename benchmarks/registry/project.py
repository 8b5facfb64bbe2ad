"""One site whose only middleware is the session's, and a user who is logged in.

Whether there is a registry, and where it caches, the package finds out once per
process. So that all take turns in one, each of our requests puts that in its place
first: two assignments, also for the request without a registry.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar
from unittest import mock

from django.conf import settings
from django.core.management import call_command
from django.test.utils import override_settings

from benchmarks import site as any_site
from benchmarks.guards import project as guards
from benchmarks.registry import servers
from benchmarks.site import DJANGOS, OUR_ENGINE, OUR_MIDDLEWARE, STOCK_MIDDLEWARE, Setup

T = TypeVar("T")

NO_SESSION = "no session"
WITHOUT, LOCMEM, REDIS, UNCACHED = (
    "ours, no registry",
    "ours, locmem",
    "ours, Redis",
    "ours, no cache",
)
CACHE, CACHED_DB, DB = "cache", "cached_db", "db"
OURS, DJANGO_SESSIONS = (WITHOUT, LOCMEM, REDIS, UNCACHED), (CACHE, CACHED_DB, DB)

APPS = (*guards.APPS, "django_secure_session.registry")

#: Seconds for which a cache is believed: longer than anything here takes, as it is the
#: request between two look-ups that is measured. The look-up is UNCACHED.
_LONG = 86_400


@dataclass(frozen=True)
class Found:
    """What the package finds out about a site once."""

    revoker: Callable[[], Any]
    get_configs: Callable[[], Any]

    def put(self) -> None:
        """Let it be what the package has found out."""
        from django_secure_session import conf

        conf.revoker, conf.get_configs = self.revoker, self.get_configs


def setups() -> dict[str, Setup]:
    """Return the setups by name."""
    return {
        NO_SESSION: Setup(),
        **dict.fromkeys(OURS, Setup(OUR_ENGINE, (OUR_MIDDLEWARE,))),
        **{
            engine: Setup(f"{DJANGOS}.{engine}", (STOCK_MIDDLEWARE,))
            for engine in DJANGO_SESSIONS
        },
    }


def found() -> dict[str, Found]:
    """Return what the package would find out in each of our setups."""
    from django_secure_session import conf

    revoker, nobody = conf.revoker, functools.cache(lambda: None)
    return {
        WITHOUT: Found(nobody, _configs("default", _LONG)),
        LOCMEM: Found(revoker, _configs("default", _LONG)),
        REDIS: Found(revoker, _configs("redis", _LONG)),
        UNCACHED: Found(revoker, _configs("default", 0)),
    }


def _configs(alias: str, staleness: int) -> Callable[[], Any]:
    from django_secure_session import conf

    options = {"REVOCATION_CACHE_ALIAS": alias, "REVOCATION_MAX_STALENESS": staleness}
    with override_settings(SECURE_SESSION=settings.SECURE_SESSION | options):
        configs = conf.get_configs()
    return functools.cache(lambda: configs)


@contextlib.contextmanager
def site(*, is_async: bool, postgres: str = "") -> Iterator[None]:
    """Configure Django, start Redis, make the database and its user.

    The database is a file of SQLite, or at the *postgres* of that host, or socket.
    """
    urls, database = "benchmarks.requests.views", _at(postgres) if postgres else None
    with (
        servers.redis() as redis,
        any_site.site(urls, APPS, is_async=is_async, database=database),
        override_settings(CACHES=_caches(redis), SESSION_CACHE_ALIAS="redis"),
        _patience(),
        _another_database() if postgres else contextlib.nullcontext(),
    ):
        apart(call_command, "migrate", verbosity=0)
        _create_user()
        yield


def apart(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Call a function that may use caches, and leave none in the context.

    Under a server an async request comes with an empty one. Django then makes a client
    of the cache in each, with a connection of its own.
    """
    return contextvars.copy_context().run(function, *args, **kwargs)


def _create_user() -> None:
    from django.contrib.auth.models import User  # needs the apps

    User.objects.create(pk=guards.USER_ID, username=guards.USERNAME)


def _at(host: str) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "postgres",
        "USER": "postgres",
        "HOST": host,
    }


@contextlib.contextmanager
def _another_database() -> Iterator[None]:
    """Make a database beside the one that there is, and drop it afterwards."""
    from django.db import connection

    name = connection.settings_dict["NAME"]
    apart(connection.creation.create_test_db, verbosity=0, autoclobber=True)
    try:
        yield
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


def _patience() -> AbstractContextManager[object]:
    """Take no busy machine for a slow cache, which would be left alone for a while."""
    from django_secure_session.registry import shared_cache

    return mock.patch.object(shared_cache, "SLOW", 60)


def _caches(redis: str) -> dict[str, Any]:
    backends = "django.core.cache.backends"
    return {
        "default": {"BACKEND": f"{backends}.locmem.LocMemCache"},
        "redis": {"BACKEND": f"{backends}.redis.RedisCache", "LOCATION": redis},
    }
