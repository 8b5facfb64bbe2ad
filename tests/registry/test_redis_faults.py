"""What a Redis does that fails, lies or is late: nobody gets in or out by it."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable

import pytest
import redis
from django.core.cache import cache

from django_secure_session.registry import cached, shared_cache
from django_secure_session.registry.models import SessionRecord
from tests.accounts_site import Visitor
from tests.http import wsgi
from tests.registry import fake_redis as fake
from tests.registry.fake_redis import Command, FakeRedis
from tests.registry.fake_redis import fake_redis as fake_redis
from tests.registry.faults import (
    ask,
    copy_of,
    cycle,
    each_server,
    log_in,
    log_out,
    logged_in,
    redis_cache,
    who,
    write,
)
from tests.registry.faults import faulty_site as faulty_site

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("faulty_site"),
]

TIMEOUT = 0.03  # seconds
ACTIONS = [who, write, cycle, log_out, log_in]
REAL_TIMEOUT = 0.2  # seconds, for what is measured

Answers = Callable[[Command], bytes | None]


@pytest.fixture
def redis_(fake_redis, settings) -> FakeRedis:
    """The site's Redis."""
    settings.CACHES = redis_cache(fake_redis.url, TIMEOUT)
    return fake_redis


@pytest.fixture
def patient(redis_, settings, monkeypatch) -> FakeRedis:
    """The site's Redis, whose answers are waited for on the slowest machine."""
    settings.CACHES = redis_cache(redis_.url, 20)
    monkeypatch.setattr(shared_cache, "SLOW", 20)
    return redis_


def rest_is_over() -> None:
    cached.shared._rests_until = 0.0


def another_process() -> None:
    """Go on as a process that knows nothing of what this one could not say."""
    cached.shared.__init__()


def ask_anew(visitor: Visitor, action=who) -> str | int:
    """Return what the site answers that has not noticed yet that its cache fails."""
    rest_is_over()
    return ask(visitor, action)


# Faults


def saying(said: bytes | None) -> Callable[[FakeRedis], Answers]:
    """Make a fault: to everything the answer is this."""
    return lambda _: lambda command: said


def at(name: bytes, said: bytes | None) -> Callable[[FakeRedis], Answers]:
    """Make a fault: to one command the answer is this, to others the truth."""
    return lambda server: (
        lambda command: said if command[0] == name else server.truth(command)
    )


def hangs_up(_: FakeRedis) -> Answers:
    def answer(command):
        raise OSError

    return answer


LYING = [
    b"garbage\r\n",
    b"\0\xff\r\n",
    b"-ERR \xff\xfe\r\n",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"+OK\r\n",
    b":5\r\n",
    b"_\r\n",
    b"*-1\r\n",
    b"*0\r\n",
    b"*2\r\n+OK\r\n:5\r\n",
    b"*2\r\n*1\r\n:1\r\n*1\r\n:1\r\n",
    b"*2\r\n$5\r\nended\r\n$5\r\nended\r\n",
    b"%1\r\n+a\r\n+b\r\n",
    b"*1\r\n" * 5000,
    fake.WRONGTYPE,
    b"-LOADING Redis is loading the dataset in memory\r\n",
    b"-READONLY You can't write against a read only replica.\r\n",
    b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
]
SILENT = [None, b"", b"$99\r\nhalf"]
ALL_FAULTS = [
    hangs_up,
    *(saying(said) for said in (*LYING, *SILENT)),
    *(at(b"MGET", said) for said in (*LYING, *SILENT)),
]
FAULTS = [
    hangs_up,
    saying(None),
    saying(b"garbage\r\n"),
    saying(b"+OK\r\n"),
    at(b"MGET", None),
    at(b"MGET", b":5\r\n"),
    at(b"MGET", b"*2\r\n+OK\r\n:5\r\n"),
    at(b"MGET", fake.WRONGTYPE),
]


def sessions_go_on_and_end(server, redis: FakeRedis, fault) -> None:
    """See a session through a fault: those who are in stay in, those out stay out."""
    redis.answer = redis.truth
    visitor = logged_in(server)
    assert ask_anew(visitor) == "ada"
    thief = copy_of(visitor)
    redis.answer = fault(redis)
    for action, said in [(who, "ada"), (write, "written"), (log_out, "out")]:
        assert ask_anew(visitor, action) == said
    assert ask_anew(thief) == "nobody"
    assert ask_anew(visitor, log_in) == "in"
    redis.answer = redis.truth
    assert ask_anew(visitor) == "ada"


@each_server
def test_whatever_redis_answers_sessions_go_on_and_end(server, redis_):
    for fault in FAULTS:
        sessions_go_on_and_end(server, redis_, fault)


@pytest.mark.heavy
@each_server
def test_each_fault_of_redis_leaves_sessions_as_they_are(server, redis_):
    for fault in ALL_FAULTS:
        sessions_go_on_and_end(server, redis_, fault)


READ_ONLY = b"-READONLY You can't write against a read only replica.\r\n"


@each_server
def test_an_end_that_redis_does_not_store_counts_at_once_here(server, patient):
    visitor = logged_in(server)
    assert ask(visitor) == "ada"
    thief = copy_of(visitor)
    patient.answer = at(b"MSET", READ_ONLY)(patient)
    assert ask(visitor, log_out) == "out"
    for _ in range(3):
        assert ask_anew(thief) == "nobody"
    patient.answer = patient.truth
    assert ask_anew(thief) == "nobody"


@each_server
def test_an_end_that_redis_did_not_store_is_told_to_others_when_it_is_back(
    server, patient
):
    visitor, other = logged_in(server), logged_in(server)
    assert ask(visitor) == "ada"
    thief = copy_of(visitor)
    patient.answer = at(b"MSET", READ_ONLY)(patient)
    assert ask(visitor, log_out) == "out"
    patient.answer = patient.truth
    assert ask_anew(other) == "ada"
    another_process()
    assert ask(thief) == "nobody"


@each_server
def test_an_end_that_nobody_is_told_counts_within_the_bound(server, patient, clock):
    visitor = logged_in(server)
    assert ask(visitor) == "ada"
    thief = copy_of(visitor)
    patient.answer = at(b"MSET", READ_ONLY)(patient)
    assert ask(visitor, log_out) == "out"
    patient.answer = patient.truth
    another_process()
    clock.tick(30)
    assert ask(thief) == "nobody"


@each_server
def test_an_emptied_redis_lets_no_ended_session_in(server, patient):
    visitor = logged_in(server)
    thief = copy_of(visitor)
    assert ask(visitor, log_out) == "out"
    for _ in range(2):
        patient.stored.clear()
        assert ask(thief) == "nobody"


@each_server
def test_an_answer_to_another_question_lets_nobody_in(server, patient):
    leaver, other = logged_in(server), logged_in(server)
    thief = copy_of(leaver)
    assert ask(leaver, log_out) == "out"
    patient.stored.clear()
    assert ask(other) == "ada"
    (name,) = [key for key in patient.stored if b".sid." in key]
    patient.answer = lambda command: patient.truth(
        [name if b".sid." in part else part for part in command]
        if command[0] == b"MGET"
        else command
    )
    assert ask(thief) == "nobody"
    assert ask(other) == "ada"


@each_server
def test_a_redis_that_is_gone_is_not_needed(server, patient):
    visitor, leaver = logged_in(server), logged_in(server)
    thief = copy_of(leaver)
    patient.close()
    assert [ask(visitor, action) for action in ACTIONS[:3]] == [
        "ada",
        "written",
        "cycled",
    ]
    assert ask(leaver, log_out) == "out"
    assert ask(thief) == "nobody"
    assert ask(visitor) == "ada"


# Waits

# For answers that are wrong at once: then nothing is counted too late, and each could
# have been a silence that lasts for the timeout.


@each_server
def test_a_request_meets_a_fault_once(server, patient):
    visitor = logged_in(server)
    for place in (b"HELLO", b"MGET", b"SET", b"MSET"):
        for action in ACTIONS:
            patient.stored.clear()
            patient.answer = at(place, b"garbage\r\n")(patient)
            patient.hang_up()
            patient.forget()
            assert ask_anew(visitor, action) != 503
            assert patient.commands.count(place) <= 1
        patient.answer = patient.truth


@each_server
def test_a_redis_that_is_slow_twice_is_left_alone(server, patient, monkeypatch):
    visitor = logged_in(server)
    monkeypatch.setattr(shared_cache, "SLOW", 0)
    for action in ACTIONS:
        patient.stored.clear()
        another_process()
        patient.forget()
        assert [ask(visitor, each) for each in (action, log_in, who)][1:] == [
            "in",
            "ada",
        ]
        waits = [
            each for each in patient.commands if each in (b"MGET", b"SET", b"EXEC")
        ]
        assert len(waits) <= 2


def test_a_failing_redis_is_left_alone_for_a_while(patient, monkeypatch):
    monkeypatch.setattr(shared_cache, "REST", 3600)
    visitor = logged_in(wsgi)
    patient.answer = saying(b"garbage\r\n")(patient)
    for _ in range(2):
        patient.forget()
        rest_is_over()
        assert [ask(visitor) for _ in range(5)] == ["ada"] * 5
        assert len(patient.commands) == 1


@each_server
def test_after_a_rest_no_query_is_made_again(
    server, patient, django_assert_num_queries
):
    assert 0 < shared_cache.REST < 1
    visitor = logged_in(server)
    patient.answer = saying(b"garbage\r\n")(patient)
    assert ask(visitor) == "ada"
    patient.answer = patient.truth
    with django_assert_num_queries(1):
        assert ask_anew(visitor) == "ada"
    patient.forget()
    with django_assert_num_queries(0):
        assert ask(visitor) == "ada"
    assert set(patient.commands) - {b"HELLO", b"CLIENT"} == {b"MGET"}


# What is in a Redis


NOW = time.time()
ODD = [
    *(0, 1, -1, 2**70, 1.5, True, None, b"", b"\xff", "", "ask", "ENDED", "ended "),
    *([], (), {}, set(), [()], {"ended": "ended"}, object, ValueError("ended")),
    *((NOW,), (NOW, 1, 1), (NOW, 1, 1, "a"), (NOW, 1, 1, "a", "b"), [NOW, 1, 1, "a"]),
    *((NOW, 0, 0, "", ""), (NOW, 1, 1, "a", "b", "c"), (NOW, "1", 1, "a", "b")),
    *((float("nan"), 1, 1, "a", "b"), (float("inf"), 1, 1, "a", "b")),
    *((2**1024, 1, 1, "a", "b"), ("ended", "ended"), ("9" * 5000,) * 5),
]


def entries(account_id: str = "ada") -> list[str]:
    """Return the keys that stand for the only session and its account."""
    record = SessionRecord.objects.get()
    return [cached._session_key(record.digest), cached._account_key(account_id)]


@each_server
def test_an_entry_that_says_nothing_is_asked_about(server):
    visitor = logged_in(server)
    for said in ODD:
        cache.set_many(dict.fromkeys(entries(), said))
        assert ask(visitor) == "ada", said


@each_server
def test_an_entry_of_another_type_is_asked_about_and_replaced_at_log_out(
    server, redis_server, settings, django_assert_num_queries
):
    settings.CACHES = redis_cache(redis_server.url, REAL_TIMEOUT)
    visitor = logged_in(server)
    thief = copy_of(visitor)
    with redis.Redis.from_url(redis_server.url) as client:
        for key in map(cache.make_key, entries()):
            client.delete(key)
            client.rpush(key, "an item")
    for _ in range(2):
        with django_assert_num_queries(1):
            assert ask(visitor) == "ada"
    assert ask(visitor, log_out) == "out"
    with django_assert_num_queries(0):
        assert ask(thief) == "nobody"


# The log


def warnings_of(caplog) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


def test_an_outage_is_logged_once_a_rest(redis_, caplog, monkeypatch):
    monkeypatch.setattr(shared_cache, "REST", 3600)
    visitor = logged_in(wsgi)
    redis_.answer = saying(None)(redis_)
    for action in ACTIONS[:3]:
        assert ask(visitor, action) != 503
    (said,) = warnings_of(caplog)
    assert "'default'" in said


def test_a_slow_cache_is_logged_once_a_rest(patient, caplog, monkeypatch):
    monkeypatch.setattr(shared_cache, "REST", 3600)
    visitor = logged_in(wsgi)
    monkeypatch.setattr(shared_cache, "SLOW", 0)
    for action in ACTIONS:
        assert ask(visitor, action) != 503
    (said,) = warnings_of(caplog)
    assert "slow" in said


def test_the_log_of_an_outage_has_no_secret(patient, settings, caplog):
    password = secrets.token_hex()
    url = patient.url.replace("//", f"//user:{password}@")
    settings.CACHES = redis_cache(url, 20)
    refused = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
    patient.answer = saying(refused)(patient)
    visitor = logged_in(wsgi)
    for action in ACTIONS[:3]:
        assert ask_anew(visitor, action) != 503
    assert len(warnings_of(caplog)) > 1
    digest = SessionRecord.objects.get().digest
    for secret in (password, digest, visitor.header().partition("=")[2]):
        assert secret not in caplog.text
