"""SecureSessionMiddleware in async code: no thread hop, and the same answers."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from inspect import iscoroutinefunction

import pytest
from asgiref.sync import AsyncToSync, SyncToAsync
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.test import AsyncRequestFactory

from django_secure_session import create_session, decode_session
from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.middleware import SecureSessionMiddleware
from tests import members
from tests.http import SECURE_MIDDLEWARE, SERVERS, aasgi
from tests.visits import (
    DELETED,
    LEFT_ALONE,
    NAME,
    Visitor,
    attributes,
    refused_cookie,
    sent_data,
    site,
    value,
)

DJANGOS = "django.contrib.sessions.middleware.SessionMiddleware"


@pytest.fixture(autouse=True)
def _middleware(settings):
    settings.MIDDLEWARE = [SECURE_MIDDLEWARE]


async def untouched(request):
    return HttpResponse("ok")


def awaiting(action):
    """Return an async view that awaits something of the session."""

    async def view(request):
        return HttpResponse(repr(await action(request.session)))

    return view


async def answer_to(view, token=None):
    return await aasgi(view, f"{NAME}={token}".encode() if token else ())


# Thread hops


@pytest.fixture
def hops(monkeypatch) -> list[str]:
    """What asyncio is given to run in a thread, and asgiref to run across."""
    hops: list[str] = []

    def count(cls, name):
        original = getattr(cls, name)

        def counted(*args, **kwargs):
            hops.append(f"{cls.__name__}.{name}")
            return original(*args, **kwargs)

        monkeypatch.setattr(cls, name, counted)

    count(asyncio.BaseEventLoop, "run_in_executor")
    count(SyncToAsync, "__call__")
    count(AsyncToSync, "__call__")
    return hops


@pytest.fixture
def extra_hops(hops, settings):
    """Return what counts the hops beyond those of Django's handler alone."""

    async def count(view, token, middleware=SECURE_MIDDLEWARE):
        settings.MIDDLEWARE = []
        await answer_to(untouched)
        of_the_handler = len(hops)
        hops.clear()
        settings.MIDDLEWARE = [middleware]
        answer = await answer_to(view, token)
        assert answer.status == 200
        return len(hops) - of_the_handler

    return count


@pytest.fixture
def token(clock, settings) -> str:
    """A session that is due for a refresh."""
    settings.SECURE_SESSION = site(IDLE_TIMEOUT=1000)
    token = create_session({"a": 1, "testcookie": "worked"}).session_key
    clock.tick(500)
    return token


async def sync_read(session):
    return session["a"]


async def sync_write(session):
    session["a"] = 2


async def sync_flush(session):
    session.flush()


ACTIONS = {
    "read": lambda s: s.aget("a"),
    "write": lambda s: s.aset("a", 2),
    "log-out": lambda s: s.aflush(),
    "new sid": lambda s: s.acycle_key(),
    "synchronous read": sync_read,
    "synchronous write": sync_write,
    "synchronous log-out": sync_flush,
}


@pytest.mark.parametrize("action", ACTIONS)
async def test_the_middleware_hops_to_no_thread(extra_hops, token, action):
    assert await extra_hops(awaiting(ACTIONS[action]), token) == 0


async def test_the_middleware_hops_to_no_thread_for_an_untouched_request(
    extra_hops, token
):
    assert await extra_hops(untouched, token) == 0


@pytest.mark.parametrize("cookie", [None, "junk-junk", "A" * 128])
async def test_the_middleware_hops_to_no_thread_for_nobody(extra_hops, cookie):
    assert await extra_hops(awaiting(lambda s: s.aget("a")), cookie) == 0


@pytest.mark.parametrize("name", members.ASYNC)
async def test_no_member_hops_to_a_thread(extra_hops, token, name):
    assert await extra_hops(awaiting(lambda s: members.ause(s, name)), token) == 0


async def test_named_sessions_hop_to_no_thread(extra_hops, token, settings):
    settings.SECURE_SESSION = site(
        SESSIONS={"prefs": {}, "area": {"URL_PREFIX": "/area/"}}
    )

    async def view(request):
        await request.prefs_session.aset("theme", "dark")
        return HttpResponse()

    assert await extra_hops(view, token) == 0


async def test_the_refresh_of_those_tests_takes_place(token):
    answer = await answer_to(awaiting(ACTIONS["read"]), token)

    assert sent_data(answer) == {"a": 1, "testcookie": "worked"}


@pytest.mark.parametrize("action", ["read", "write"])
async def test_the_counter_counts_djangos_middleware(extra_hops, token, action):
    assert await extra_hops(awaiting(ACTIONS[action]), token, DJANGOS) > 0


# The same answers in each of four ways


def outcome(answer):
    """Return what has to be the same: tokens are random, what they hold is not."""
    cookies = []
    for line in answer.set_cookies:
        name, _, rest = line.partition("=")
        text = rest.partition(";")[0]
        cookies.append((name, opened(text), sorted(attributes(answer, name))))
    headers = [(k, v) for k, v in answer.headers if k != "set-cookie"]
    return answer.status, sorted(headers), sorted(cookies), answer.body


def opened(text):
    session = decode_session(text)
    if session is None:
        return text
    times = session.created_at, session.issued_at, session.expires_at
    return repr((session.data(), times))


def in_four_ways(view, async_view, cookie):
    outcomes = []
    for server in SERVERS:
        for each in (view, async_view):
            visitor = Visitor(server)
            if cookie:
                visitor.put(cookie)
            outcomes.append(outcome(visitor.get(each)))
    return outcomes


def assert_all_the_same(outcomes):
    for each in outcomes[1:]:
        assert each == outcomes[0]


RANDOM = {"sid", "seal"}


def shown(name, result) -> HttpResponse:
    return HttpResponse(type(result) if name in RANDOM else repr(result))


def with_member(name):
    def view(request):
        with members.no_such_key:
            return shown(name, members.use(request.session, name))
        return HttpResponse("no such key")

    async def async_view(request):
        with members.no_such_key:
            return shown(name, await members.ause(request.session, f"a{name}"))
        return HttpResponse("no such key")

    return view, async_view


@pytest.fixture(params=["good", "none", "due", *DELETED, *LEFT_ALONE])
def a_cookie(request, clock, settings):
    """A cookie of each kind, by the name of its kind."""
    if request.param in {"due", "idle"}:
        settings.SECURE_SESSION = site(IDLE_TIMEOUT=3600)
    if request.param == "none":
        return None
    if request.param in DELETED + LEFT_ALONE:
        return refused_cookie(request.param, clock)
    token = create_session({"a": 1, "testcookie": "worked"}).session_key
    clock.tick(1800 if request.param == "due" else 0)
    return token


@pytest.mark.parametrize("name", members.TWINS)
def test_a_member_and_its_twin_give_the_same_answer(a_cookie, name):
    assert_all_the_same(in_four_ways(*with_member(name), a_cookie))


VIEWS = {}


def pair(view):
    """Take part in the table of views, beside the async view that follows."""
    VIEWS[view.__name__] = [view]
    return view


def twin(view):
    VIEWS[view.__name__.removeprefix("a")].append(view)
    return view


@pair
def set_item(request):
    request.session["b"] = 2
    return HttpResponse("ok")


@twin
async def aset_item(request):
    await request.session.aset("b", 2)
    return HttpResponse("ok")


@pair
def nothing(request):
    return HttpResponse("ok")


@twin
async def anothing(request):
    return HttpResponse("ok")


@pair
def write_and_fail(request):
    request.session["b"] = 2
    return HttpResponse(status=503)


@twin
async def awrite_and_fail(request):
    await request.session.aset("b", 2)
    return HttpResponse(status=503)


@pair
def write_and_crash(request):
    request.session["b"] = 2
    raise RuntimeError("a view failed")


@twin
async def awrite_and_crash(request):
    await request.session.aset("b", 2)
    raise RuntimeError("a view failed")


@pair
def write_and_redirect(request):
    request.session["b"] = 2
    return HttpResponseRedirect("/elsewhere/")


@twin
async def awrite_and_redirect(request):
    await request.session.aset("b", 2)
    return HttpResponseRedirect("/elsewhere/")


@pair
def read_and_miss(request):
    request.session.get("a")
    raise Http404


@twin
async def aread_and_miss(request):
    await request.session.aget("a")
    raise Http404


@pair
def flush_and_write(request):
    request.session.flush()
    request.session["b"] = 2
    return HttpResponse("ok")


@twin
async def aflush_and_write(request):
    await request.session.aflush()
    await request.session.aset("b", 2)
    return HttpResponse("ok")


@pair
def cycle_and_write(request):
    request.session.cycle_key()
    request.session["b"] = 2
    return HttpResponse("ok")


@twin
async def acycle_and_write(request):
    await request.session.acycle_key()
    await request.session.aset("b", 2)
    return HttpResponse("ok")


@pair
def send_with_options(request):
    request.session["b"] = 2
    request.session.options(samesite="Strict", max_age=60)
    return HttpResponse("ok")


@twin
async def asend_with_options(request):
    await request.session.aset("b", 2)
    request.session.options(samesite="Strict", max_age=60)
    return HttpResponse("ok")


@pair
def end_with_the_browser(request):
    request.session["b"] = 2
    request.session.set_expiry(0)
    return HttpResponse("ok")


@twin
async def aend_with_the_browser(request):
    await request.session.aset("b", 2)
    await request.session.aset_expiry(0)
    return HttpResponse("ok")


@pair
def end_at_a_date(request):
    request.session.set_expiry(timedelta(hours=1))
    return HttpResponse("ok")


@twin
async def aend_at_a_date(request):
    await request.session.aset_expiry(timedelta(hours=1))
    return HttpResponse("ok")


@pair
def another_session(request):
    request.session = SessionStore()
    request.session["b"] = 2
    return HttpResponse("ok")


@twin
async def aanother_session(request):
    request.session = SessionStore()
    await request.session.aset("b", 2)
    return HttpResponse("ok")


@pair
def too_large(request):
    request.session["b"] = "value " * 1000
    return HttpResponse("ok")


@twin
async def atoo_large(request):
    await request.session.aset("b", "value " * 1000)
    return HttpResponse("ok")


@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("name", VIEWS)
def test_sync_and_async_views_give_the_same_answer(settings, a_cookie, name, every):
    settings.SESSION_SAVE_EVERY_REQUEST = every

    assert_all_the_same(in_four_ways(*VIEWS[name], a_cookie))


# Where it stands in an async chain


def test_the_middleware_is_async_where_what_follows_is():
    assert iscoroutinefunction(SecureSessionMiddleware(untouched).__acall__)
    assert SecureSessionMiddleware(untouched).async_mode
    assert not SecureSessionMiddleware(lambda request: HttpResponse()).async_mode
    assert SecureSessionMiddleware.sync_capable
    assert SecureSessionMiddleware.async_capable


async def test_it_can_be_called_by_hand():
    request = AsyncRequestFactory().get("/")
    middleware = SecureSessionMiddleware(untouched)
    response = await middleware(request)

    assert response.content == b"ok"
    assert isinstance(request.session, SessionStore)


class Sync:
    """A middleware that can't be async."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        response.headers["X-Sync"] = "1"
        return response


@pytest.mark.parametrize("place", [0, 1])
async def test_it_works_beside_middleware_that_is_only_sync(settings, place):
    settings.MIDDLEWARE.insert(place, f"{__name__}.Sync")
    answer = await answer_to(awaiting(lambda s: s.aset("a", 1)))

    assert answer.header("x-sync") == "1"
    assert sent_data(answer) == {"a": 1}


@pytest.fixture
def install(monkeypatch, settings):
    """Return what puts a class of a test into MIDDLEWARE."""

    def install(middleware):
        here = sys.modules[__name__]
        monkeypatch.setattr(here, "Installed", middleware, raising=False)
        settings.MIDDLEWARE = [f"{__name__}.Installed"]

    return install


async def test_a_subclass_may_override_the_twin_of_process_response(install):
    class Subclass(SecureSessionMiddleware):
        async def aprocess_response(self, request, response):
            await request.session.aset("by", "aprocess_response")
            return await super().aprocess_response(request, response)

    install(Subclass)
    assert sent_data(await answer_to(untouched)) == {"by": "aprocess_response"}


async def test_a_subclass_may_override_process_request_alone(install, hops):
    class Subclass(SecureSessionMiddleware):
        def process_request(self, request):
            super().process_request(request)
            request.session["by"] = "process_request"

    install(Subclass)
    assert sent_data(await answer_to(untouched)) == {"by": "process_request"}


async def test_a_subclass_written_for_djangos_middleware_works(install):
    class Subclass(SecureSessionMiddleware):
        def process_response(self, request, response):
            request.session["by"] = "process_response"
            return super().process_response(request, response)

    install(Subclass)
    assert sent_data(await answer_to(untouched)) == {"by": "process_response"}


async def test_parallel_reads_in_one_request_open_the_session_once(token):
    async def view(request):
        session = request.session
        found = await asyncio.gather(*(session.aget("a") for _ in range(10)))
        return HttpResponse(repr(found))

    assert (await answer_to(view, token)).body == b"[1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"


async def test_a_task_that_was_begun_in_the_view_writes_before_the_response(token):
    async def view(request):
        async with asyncio.TaskGroup() as group:
            group.create_task(request.session.aset("b", 2))
            group.create_task(request.session.aset("c", 3))
        return HttpResponse()

    answer = await answer_to(view, token)
    assert sent_data(answer) == {"a": 1, "b": 2, "c": 3, "testcookie": "worked"}
    assert value(answer) != token
