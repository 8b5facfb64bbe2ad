"""How often a request of somebody who is logged in asks the cache and the database."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache
from django.db import connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext

from django_secure_session import Account, login, logout
from tests.accounts_site import ACCOUNTS
from tests.http import SECURE_MIDDLEWARE, SERVERS, Browser, asgi
from tests.spilling import hops as hops

pytestmark = pytest.mark.django_db


class Watched:
    """A cache that notes what it is asked for, but not what it asks itself for."""

    asked: ClassVar[list[str]] = []

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        self._cache = LocMemCache(location, params)

    def __getattr__(self, name: str) -> Any:
        self.asked.append(name)
        return getattr(self._cache, name)

    def close(self, **_: object) -> None:
        """Do nothing, as Django asks for it after each request, with any cache."""


@pytest.fixture(autouse=True)
def _site(settings) -> Iterator[None]:
    backend = f"{__name__}.{Watched.__name__}"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": __name__}}
    settings.MIDDLEWARE = [SECURE_MIDDLEWARE, ACCOUNTS]
    settings.SECURE_SESSION = settings.SECURE_SESSION | {
        "ACCOUNT_PROVIDER": "tests.accounts_site.People"
    }
    yield
    cache.clear()


@pytest.fixture(params=SERVERS, ids=["wsgi", "asgi"])
def browser(request) -> Browser:
    """Come with a session, of nobody yet."""
    browser = Browser(request.param)
    browser.get(write)
    return browser


class Asked:
    """What a site has asked for: how many queries, and what of its caches."""

    queries: int
    cache: list[str]

    def all(self) -> tuple[int, list[str]]:
        return self.queries, self.cache


@contextlib.contextmanager
def asking() -> Iterator[Asked]:
    asked = Asked()
    Watched.asked.clear()
    with CaptureQueriesContext(connection) as captured:
        yield asked
    asked.queries, asked.cache = len(captured), Watched.asked.copy()


def log_in(request):
    login(request, Account(id="ada", role="user", verified=True))
    return HttpResponse()


def log_out(request):
    logout(request)
    return HttpResponse()


def write(request):
    request.session["n"] = request.session.get("n", 0) + 1
    return HttpResponse()


def read(request):
    return HttpResponse(str(request.session.get("n")))


def look_twice(request):
    account = request.account
    return HttpResponse(f"{account and account.id} {request.session.get('n')}")


async def aread(request):
    return HttpResponse(str(await request.session.aget("n")))


async def awrite(request):
    await request.session.aset("n", 1)
    return HttpResponse()


def untouched(request):
    return HttpResponse()


def seen(browser: Browser, view) -> tuple[int, list[str]]:
    """Send a request and return how many queries and what of the cache it took."""
    with asking() as asked:
        answer = browser.get(view)
    assert answer.status == 200
    return asked.all()


@pytest.fixture
def known(browser) -> Browser:
    """Be logged in, and known to the cache."""
    browser.get(log_in)
    browser.get(read)
    return browser


@pytest.mark.parametrize("view", [read, look_twice])
def test_the_cache_knows_it_after_one_round_trip(known, view):
    assert seen(known, view) == (0, ["get_many"])


def test_a_request_that_does_not_look_at_its_session_asks_nobody(known):
    assert seen(known, untouched) == (0, [])


def test_what_the_cache_does_not_know_is_one_query(known):
    cache.clear()
    assert seen(known, read) == (1, ["get_many", "add", "add"])
    assert seen(known, read) == (0, ["get_many"])


def test_without_a_cache_it_is_one_query(known, settings):
    settings.SECURE_SESSION = settings.SECURE_SESSION | {"REVOCATION_MAX_STALENESS": 0}
    assert seen(known, read) == (1, [])


@pytest.mark.parametrize("view", [read, look_twice, write, untouched])
def test_a_session_of_nobody_asks_nobody(browser, view):
    assert seen(browser, view) == (0, [])


def test_a_session_that_has_ended_is_known_to_have_ended(
    known, django_capture_on_commit_callbacks
):
    thief = Browser(known.server)
    thief.cookies = dict(known.cookies)
    with django_capture_on_commit_callbacks(execute=True):
        known.get(log_out)
    assert seen(thief, read) == (0, ["get_many"])


# What a response that brings a cookie costs


def test_a_new_cookie_of_the_same_session_is_one_query(known):
    assert seen(known, write) == (1, ["get_many"])


def test_a_cookie_that_lives_longer_than_its_row_is_two(browser, clock):
    browser.get(log_in)
    clock.tick(minutes=11)
    browser.get(read)  # which notes that it was seen
    assert seen(browser, write) == (2, ["get_many"])


def test_a_log_in_reads_the_epoch_and_writes_a_row(browser):
    with CaptureQueriesContext(connection) as captured:
        browser.get(log_in)
    statements = [query["sql"].split(" ")[0] for query in captured]
    assert statements == ["SELECT", "SELECT", "SAVEPOINT", "INSERT", "RELEASE"]


# Threads


@pytest.mark.parametrize("how", ["cached", "cold", "uncached"])
def test_an_async_view_waits_for_one_thread(hops, settings, how):
    browser = logged_in_over_asgi()
    if how == "cold":
        cache.clear()
    if how == "uncached":
        settings.SECURE_SESSION = settings.SECURE_SESSION | {
            "REVOCATION_MAX_STALENESS": 0
        }
    hops.clear()
    browser.get(aread)
    assert hops == ["_reach"]


def test_a_response_that_brings_a_cookie_waits_for_another(hops):
    browser = logged_in_over_asgi()
    hops.clear()
    browser.get(awrite)
    assert hops == ["_reach", "_reach"]


def test_an_async_view_waits_for_no_thread_for_nobody(hops):
    browser = Browser(asgi)
    for view in (awrite, aread):
        browser.get(view)
    assert hops == []


def logged_in_over_asgi() -> Browser:
    browser = Browser(asgi)
    browser.get(log_in)
    browser.get(aread)
    return browser
