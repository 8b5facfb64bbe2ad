from __future__ import annotations

import functools
import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.cookies import Morsel, SimpleCookie

import pytest
from django.core.signals import request_finished
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http.response import HttpResponseBase
from django.utils import timezone, translation
from hypothesis import settings as hypothesis_settings

from django_secure_session import conf
from tests.postgres import own_postgres as own_postgres
from tests.postgres import postgres_server as postgres_server
from tests.services import own_redis as own_redis
from tests.services import redis_server as redis_server
from tests.services import shared_redis as shared_redis

START = 1_800_000_000

# How long an example takes says something about the machine, not about the code.
hypothesis_settings.register_profile("untimed", deadline=None)
hypothesis_settings.load_profile("untimed")


def pytest_collection_finish() -> None:
    """Spare the garbage collector what is there until the end: all tests, all modules.

    It would look through these again and again: a tenth of the suite's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture
def anyio_backend() -> str:
    """Run the async tests as Django runs: on asyncio."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def _leave_connections_open() -> Iterator[None]:
    """Let no request close a connection: looking at it fails a test without database.

    Django's test client sees to that too, but not Django's handlers.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            BaseDatabaseWrapper, "close_if_unusable_or_obsolete", lambda self: None
        )
        yield


def close_in_other_threads(**_: object) -> None:
    """Close what a request under ASGI has opened in the thread that was made for it.

    Django leaves a database in memory open, and Python warns of it at some later time.
    """
    if threading.current_thread() is threading.main_thread():
        return
    for wrapper in connections.all(initialized_only=True):
        # A live server shares the connection of the tests themselves.
        if wrapper.connection is not None and not wrapper.allow_thread_sharing:
            wrapper.connection.close()
            wrapper.connection = None


request_finished.connect(close_in_other_threads)


class RegistrySwitch:
    """The registry of the tests' site: its app is installed, but off at first.

    It takes the place of ``conf.revoker``. Below tests/registry/ it is on.
    """

    def __init__(self) -> None:
        self.is_on = False
        self._real = conf.revoker
        self.cache_clear = self._real.cache_clear

    def __call__(self):
        return self._real() if self.is_on else None

    def receive_save(self, receive, **named: object) -> None:
        if self.is_on:
            receive(**named)


@pytest.fixture(scope="session", autouse=True)
def registry_switch() -> Iterator[RegistrySwitch]:
    from django_secure_session.registry import receivers  # its models need the apps

    switch = RegistrySwitch()
    receive = functools.partial(switch.receive_save, receivers.receive_save)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conf, "revoker", switch)
        patch.setattr(receivers, "receive_save", receive)
        yield switch


@pytest.fixture(autouse=True)
def _default_language() -> Iterator[None]:
    """Leave no language behind that a request has chosen: pages are compared."""
    yield
    translation.deactivate()


class Clock:
    """The time that the package and Django see; it moves only by hand."""

    def __init__(self) -> None:
        self.now: float = float(START)

    def tick(self, seconds: float = 0, **units: float) -> None:
        self.now += seconds + timedelta(**units).total_seconds()

    def datetime(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("time.time", lambda: clock.now)
    monkeypatch.setattr(timezone, "now", clock.datetime)
    return clock


# No cookie that browsers would drop without a word (RFC 6265 section 6.1) may leave, in
# no test. Django's test client writes no headers, so what is put on a response is
# looked at too.

COOKIE_LIMIT = 4096  # bytes of name and value
oversized: list[str] = []  # "name: bytes" of each cookie that was too large


def _look_at(morsel: Morsel[str]) -> None:
    size = len(f"{morsel.key}{morsel.coded_value}".encode())
    if size > COOKIE_LIMIT:
        oversized.append(f"{morsel.key}: {size}")


class WatchedCookies(SimpleCookie):
    """The cookies of a response."""

    def __setitem__(self, key, value):
        super().__setitem__(key, value)
        _look_at(self[key])


@contextmanager
def no_oversized_cookie() -> Iterator[None]:
    """Fail at the end if a response had one. Raising at once could be swallowed."""
    oversized.clear()
    yield
    found = list(oversized)
    oversized.clear()
    assert not found, f"Set-Cookie of more than {COOKIE_LIMIT} bytes: {found}"


@pytest.fixture(scope="session", autouse=True)
def _watch_every_cookie() -> Iterator[None]:
    init, output_string = HttpResponseBase.__init__, Morsel.OutputString

    def watched_init(self, *args, **kwargs):
        init(self, *args, **kwargs)
        self.cookies = WatchedCookies()

    def watched_output_string(self, attrs=None):
        _look_at(self)
        return output_string(self, attrs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HttpResponseBase, "__init__", watched_init)
        patch.setattr(Morsel, "OutputString", watched_output_string)
        yield


@pytest.fixture(autouse=True)
def _no_oversized_cookie(_watch_every_cookie: None) -> Iterator[None]:
    """Hold for the whole suite; a test that sends one on purpose clears the list."""
    with no_oversized_cookie():
        yield
