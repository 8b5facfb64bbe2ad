"""Many requests at once never see each other's sessions."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.http import HttpResponse
from django.test import AsyncRequestFactory

from django_secure_session import create_session, decode_session
from django_secure_session.middleware import SecureSessionMiddleware
from tests.http import SECURE_MIDDLEWARE, aasgi, wsgi
from tests.visits import (
    NAME,
    answered,
    attributes,
    cookie,
    sent,
    sent_data,
    site,
)

USERS = 50
REQUESTS = 200
AT_ONCE = 20  # threads
PATIENCE = 60  # seconds until a test that hangs fails


@pytest.fixture(autouse=True)
def _site(settings):
    settings.MIDDLEWARE = [SECURE_MIDDLEWARE]
    settings.SECURE_SESSION = site(SESSIONS={"prefs": {}})
    return


@pytest.fixture(autouse=True)
def _hasty_threads():
    """Let threads take turns far more often than they do."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


@pytest.fixture
def cookies() -> list[bytes]:
    """The Cookie header of each user."""
    return [header(user) for user in range(USERS)]


def header(user: int) -> bytes:
    token = create_session({"user": user}).session_key
    prefs = create_session({"user": user}, alias="prefs").session_key
    return f"{NAME}={token}; prefs_session={prefs}".encode()


def number_of(request) -> int:
    return int(request.GET["request"])


def path(number: int) -> str:
    return f"/?request={number}"


def assert_each_got_its_own(answers):
    assert len(answers) == REQUESTS
    for number, answer in enumerate(answers):
        user = number % USERS
        assert answer.body.decode() == f"{user} {user}"
        assert sent_data(answer) == {"user": user, "request": number}
        assert sent_data(answer, "prefs") == {"user": user, "request": number}
        has_options = "SameSite=Strict" in attributes(answer)
        assert has_options == (number % 2 == 0)
        assert "SameSite=Lax" in attributes(answer, "prefs_session")


# Async


async def all_at_once(view, cookies):
    return await asyncio.gather(
        *(aasgi(view, cookies[i % USERS], path=path(i)) for i in range(REQUESTS))
    )


async def test_200_async_requests_of_50_users_never_see_each_others_data(cookies):
    everyone = asyncio.Barrier(REQUESTS)

    async def view(request):
        before = await request.session.aget("user")
        await everyone.wait()
        await request.session.aset("request", number_of(request))
        await request.prefs_session.aset("request", number_of(request))
        await everyone.wait()
        if number_of(request) % 2 == 0:
            request.session.options(samesite="Strict")
        await everyone.wait()
        return HttpResponse(f"{before} {await request.prefs_session.aget('user')}")

    async with asyncio.timeout(PATIENCE):
        assert_each_got_its_own(await all_at_once(view, cookies))


async def test_async_requests_that_log_in_and_out_leave_the_others_alone(cookies):
    everyone = asyncio.Barrier(REQUESTS)

    async def view(request):
        number = number_of(request)
        await everyone.wait()
        if number % 4 == 0:
            await request.session.aflush()
        elif number % 4 == 1:
            await request.session.acycle_key()
        await everyone.wait()
        return HttpResponse(str(await request.session.aget("user")))

    async with asyncio.timeout(PATIENCE):
        answers = await all_at_once(view, cookies)
    for number, answer in enumerate(answers):
        user = number % USERS
        assert answer.body.decode() == ("None" if number % 4 == 0 else str(user))
        data = sent_data(answer)
        assert data == ({"user": user} if number % 4 == 1 else None)
        assert bool(cookie(answer)) == (number % 4 in {0, 1})


async def test_async_visitors_who_are_new_get_a_session_each():
    everyone = asyncio.Barrier(REQUESTS)

    async def view(request):
        await request.session.aset("request", number_of(request))
        await everyone.wait()
        return HttpResponse(await request.session.asid())

    async with asyncio.timeout(PATIENCE):
        answers = await all_at_once(view, [b""] * USERS)
    assert len({answer.body for answer in answers}) == REQUESTS
    for number, answer in enumerate(answers):
        assert sent_data(answer) == {"request": number}
        assert sent(answer).sid == answer.body.decode()


async def test_a_request_that_is_cancelled_leaves_the_others_alone(cookies):
    # Django's handler would leave the body of a cancelled request to the collector.
    waiting = asyncio.Barrier(3)

    async def view(request):
        await request.session.aset("request", number_of(request))
        await waiting.wait()
        return HttpResponse()

    middleware = SecureSessionMiddleware(view)
    get = AsyncRequestFactory().get
    cancelled, other = [
        asyncio.create_task(
            middleware(get(path(i), headers={"cookie": cookies[i].decode()}))
        )
        for i in range(2)
    ]
    async with asyncio.timeout(PATIENCE):
        await asyncio.sleep(0)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        await asyncio.gather(waiting.wait(), waiting.wait())
        answer = answered(await other)

    assert sent_data(answer) == {"user": 1, "request": 1}


# Threads


def in_threads(view, cookies):
    with ThreadPoolExecutor(AT_ONCE) as pool:
        numbers = range(REQUESTS)
        return list(
            pool.map(lambda i: wsgi(view, cookies[i % USERS], path=path(i)), numbers)
        )


def test_200_requests_of_50_users_in_threads_never_see_each_others_data(cookies):
    together = threading.Barrier(AT_ONCE, timeout=PATIENCE)

    def view(request):
        before = request.session["user"]
        together.wait()
        request.session["request"] = number_of(request)
        request.prefs_session["request"] = number_of(request)
        together.wait()
        if number_of(request) % 2 == 0:
            request.session.options(samesite="Strict")
        together.wait()
        return HttpResponse(f"{before} {request.prefs_session['user']}")

    assert_each_got_its_own(in_threads(view, cookies))


def test_threads_that_meet_a_new_configuration_at_once_all_get_it(settings, cookies):
    """It is read at the first use, which may be in many threads at once."""
    settings.SECURE_SESSION = dict(settings.SECURE_SESSION)  # forget what was read
    together = threading.Barrier(AT_ONCE, timeout=PATIENCE)

    def task(number):
        together.wait()
        return decode_session(cookies[number].decode().split(";")[0].partition("=")[2])

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(task, range(AT_ONCE)))
    assert [session["user"] for session in found] == list(range(AT_ONCE))


# One visitor, several requests at once


async def test_parallel_requests_of_one_visitor_all_find_the_session(cookies):
    everyone = asyncio.Barrier(10)
    seen = defaultdict(list)

    async def view(request):
        await everyone.wait()
        seen["before"].append(await request.session.aget("user"))
        await request.session.aset(request.GET["request"], True)
        return HttpResponse()

    async with asyncio.timeout(PATIENCE):
        answers = await asyncio.gather(
            *(aasgi(view, cookies[7], path=path(i)) for i in range(10))
        )
    assert seen["before"] == [7] * 10
    for number, answer in enumerate(answers):  # the last one that answers wins
        assert sent_data(answer) == {"user": 7, str(number): True}
    assert len({sent(answer).sid for answer in answers}) == 1
