"""Sessions in the cache, for tests: the caches, and one way to act sync and async."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import ClassVar

import pytest
from asgiref.sync import SyncToAsync, async_to_sync
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.core.management import call_command
from django.test import AsyncClient, Client

from django_secure_session.backends import spill
from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.codec.metadata import POINTER, Metadata
from django_secure_session.conf import get_codec

ENTRY_PREFIX = "secure_session."
LOCMEM = "django.core.cache.backends.locmem.LocMemCache"
OPERATIONS = ("get", "set", "add", "touch", "delete")


class Recording(LocMemCache):
    """A cache that notes what it is asked for, and that fails when it is told to."""

    calls: ClassVar[list[str]] = []
    down: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def reset(cls) -> None:
        cls.calls, cls.down = [], frozenset()

    @classmethod
    def fail(cls, *operations: str) -> None:
        """Fail at these operations, at all if none is named."""
        cls.down = frozenset(operations or OPERATIONS)

    @classmethod
    def recover(cls) -> None:
        cls.down = frozenset()


def _recorded(name: str):
    def operation(self, *args, **kwargs):
        self.calls.append(name)
        if name in self.down:
            raise ConnectionError("the cache is down")
        return getattr(LocMemCache, name)(self, *args, **kwargs)

    return operation


for _name in OPERATIONS:
    setattr(Recording, _name, _recorded(_name))


def configure(kind: str, request: pytest.FixtureRequest, folder: Path) -> dict:
    """Return one of CACHES, with what it needs made."""
    if kind == "db":
        request.getfixturevalue("db")
        return {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "cached_sessions",
        }
    if kind == "redis":
        return {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": request.getfixturevalue("redis_server").url,
        }
    if kind == "file":
        return {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": str(folder / "cache"),
        }
    backend = f"{__name__}.Recording" if kind == "recording" else LOCMEM
    return {"BACKEND": backend, "LOCATION": str(folder)}


def use_cache(kind: str, request: pytest.FixtureRequest, settings, folder: Path):
    """Make a cache the site's and yield it; every session goes there."""
    Recording.reset()
    settings.CACHES = {"default": configure(kind, request, folder)}
    settings.SECURE_SESSION = {
        **settings.SECURE_SESSION,
        "PLACEMENT": "spill",
        "SPILL_ABOVE": 0,
    }
    if kind == "db":
        call_command("createcachetable", verbosity=0)
    cache = caches["default"]
    yield cache
    Recording.reset()
    cache.clear()


@pytest.fixture
def cache(request, settings, tmp_path):
    """The cache that sessions are in; one in memory unless the test has parameters."""
    kind = getattr(request, "param", "recording")
    yield from use_cache(kind, request, settings, tmp_path)


each_cache = pytest.mark.parametrize(
    "cache", ["locmem", "file", "db", "redis"], indirect=True
)


def act_sync(store, name, *args, **kwargs):
    member = getattr(store, name)
    return member(*args, **kwargs) if callable(member) else member


def act_async(store, name, *args, **kwargs):
    # In a sync test, so that the database's transaction is the one of this thread.
    return async_to_sync(getattr(store, f"a{name}"))(*args, **kwargs)


@pytest.fixture(params=[act_sync, act_async], ids=["sync", "async"])
def act(request):
    """Call a member of a session, or its twin."""
    return request.param


class Browser:
    """A visitor's browser, at a site under WSGI or ASGI; errors become responses."""

    def __init__(self, *, asgi: bool) -> None:
        self.asgi = asgi
        self.client = (AsyncClient if asgi else Client)(raise_request_exception=False)
        self.prefix = "/a" if asgi else "/"
        self._get = async_to_sync(self.client.get) if asgi else self.client.get

    def get(self, path: str, *, headers=None, **query):
        """Answer a path; "/read/" is the async view /aread/ under ASGI."""
        return self._get(path.replace("/", self.prefix, 1), query, headers=headers)

    def restarted(self) -> Browser:
        """Return this browser, at a site that has read its settings again."""
        browser = Browser(asgi=self.asgi)
        browser.client.cookies = self.client.cookies
        return browser

    @property
    def cookie(self) -> str | None:
        morsel = self.client.cookies.get("sessionid")
        return morsel.value if morsel else None

    @cookie.setter
    def cookie(self, token: str) -> None:
        self.client.cookies["sessionid"] = token


@pytest.fixture(params=[False, True], ids=["wsgi", "asgi"])
def browser(request) -> Browser:
    return Browser(asgi=request.param)


@pytest.fixture
def hops(monkeypatch) -> list[str]:
    """List what of this package went through a thread."""
    made: list[str] = []
    hop = SyncToAsync.__call__

    async def counted(self, *args, **kwargs):
        if self.func.__module__.startswith("django_secure_session"):
            made.append(self.func.__name__)
        return await hop(self, *args, **kwargs)

    monkeypatch.setattr(SyncToAsync, "__call__", counted)
    return made


def saved(data=None, **options) -> SessionStore:
    store = SessionStore(**options)
    store.update({"marker": "plain", **(data or {})})
    store.save()
    return store


def reopened(store_or_token) -> SessionStore:
    token = getattr(store_or_token, "session_key", store_or_token)
    return SessionStore(token)


def key_of(store: SessionStore) -> str:
    """Return the cache's key for the entry of a session."""
    store.is_empty() or store.data()
    return f"{ENTRY_PREFIX}{store._entry_name.hex()}"


def entries(cache) -> list[str]:
    """Return the keys of all entries in a cache of this process."""
    return [key.rpartition(":")[2] for key in cache._cache]


def seconds_left(cache, key: str, now: float) -> float:
    """Return how long a cache of this process keeps an entry."""
    return cache._expire_info[cache.make_key(key)] - now


def pointing_to(content: bytes, cache) -> str:
    """Return a token, made with the site's own key, that points to a content."""
    entry = spill.new_entry(content)
    cache.set(f"{ENTRY_PREFIX}{entry.name.hex()}", content)
    return pointing(entry.pointer)


def pointing(pointer: bytes, **metadata) -> str:
    now = int(time.time())
    times = {
        "created": now,
        "issued": now,
        "expires": now + 24 * 3600,
        "flags": POINTER,
    }
    sealed = Metadata(secrets.token_bytes(16), **(times | metadata))
    return get_codec("default", "session").seal(sealed, pointer)
