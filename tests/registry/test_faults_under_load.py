"""Redis and PostgreSQL that fail while people come and go, and how long that takes."""

from __future__ import annotations

import logging
import random
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from django_secure_session.registry.models import SessionRecord
from tests.accounts_site import Visitor
from tests.http import SERVERS, wsgi
from tests.registry.faults import (
    another_client,
    ask,
    copy_of,
    database,
    log_in,
    log_out,
    logged_in,
    migrate,
    redis_cache,
    who,
    with_options,
)
from tests.registry.faults import faulty_site as faulty_site
from tests.services import RedisServer

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures("faulty_site")]

logger = logging.getLogger(__name__)

TIMEOUT = 0.2  # seconds, of a Redis and of locks
# Seconds that an answer may take beside; 0.05 on a machine that does nothing else.
SLACK = 3.0
SECOND = 1.0


# Killed

KILLS = 50
THREADS = 6


class Crowd:
    """Threads that log in, read, log out and replay, and note what must not be."""

    def __init__(self, seed: int) -> None:
        self.problems: list[str] = []
        self.done: Counter[str] = Counter()
        self.slowest = 0.0  # seconds
        self._ended: list[Visitor] = []
        self._over = threading.Event()
        self._random = random.Random(seed)
        self._threads = [
            threading.Thread(target=self._run, args=(SERVERS[number % 2],))
            for number in range(THREADS)
        ]

    def __enter__(self) -> Crowd:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, server) -> None:
        try:
            while not self._over.is_set():
                self._visit(Visitor(server))
        except BaseException as error:
            self.problems.append(repr(error))
        finally:
            connections.close_all()

    def _visit(self, visitor: Visitor) -> None:
        self._expect("in", visitor, log_in)
        thief = copy_of(visitor)
        for _ in range(self._random.randrange(1, 4)):
            self._expect("ada", visitor)
            self._expect("ada", thief)
        self._expect("out", visitor, log_out)
        self._ended.append(thief)
        for copied in (thief, *self._random.choices(self._ended[-50:], k=3)):
            self._expect("nobody", copied)

    def _expect(self, said: str, visitor: Visitor, action=who) -> None:
        began = time.monotonic()
        answer = ask(visitor, action)
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.done[said] += 1
        if answer != said:
            self.problems.append(f"{action.__name__}: {answer} instead of {said}")


@pytest.fixture
def postgres(postgres_server, django_db_blocker) -> Iterator[dict[str, Any]]:
    """Let the site's database be one that takes writers of all threads at once."""
    entry = postgres_server.new_database()
    with django_db_blocker.unblock(), database(entry):
        migrate()
        yield entry


def forget(server: RedisServer) -> None:
    """Let a stopped server start empty."""
    for folder in server.folder.glob("append*"):
        shutil.rmtree(folder)


def test_a_redis_that_is_killed_again_and_again_lets_nobody_in_or_out(
    postgres, own_redis, settings
):
    settings.CACHES = redis_cache(own_redis.url, TIMEOUT)
    schedule, pause = random.Random(1), threading.Event().wait
    with Crowd(2) as crowd:
        for _ in range(KILLS):
            pause(schedule.uniform(0, 0.9))
            own_redis.kill()
            if schedule.random() < 0.5:
                forget(own_redis)
            pause(schedule.uniform(0, 0.2))
            own_redis.start()
    logger.info("%s, the slowest in %.3f s", dict(crowd.done), crowd.slowest)
    assert crowd.problems == []
    assert min(crowd.done.values()) > THREADS


# Late


def slowest(visitor: Visitor, times: int = 50) -> float:
    """Return the seconds that the slowest of some answers has taken."""
    taken = []
    for _ in range(times):
        began = time.monotonic()
        assert visitor.ask(who).status in (200, 503)
        taken.append(time.monotonic() - began)
        threading.Event().wait(0.02)
    return max(taken)


@pytest.mark.parametrize("server", SERVERS, ids=["wsgi", "asgi"])
def test_a_frozen_redis_makes_nobody_wait_for_more_than_its_timeout(
    server, postgres, own_redis, settings
):
    settings.CACHES = redis_cache(own_redis.url, TIMEOUT)
    visitor = logged_in(server)
    assert ask(visitor) == "ada"
    own_redis._process.send_signal(signal.SIGSTOP)
    try:
        seconds = slowest(visitor)
    finally:
        own_redis._process.send_signal(signal.SIGCONT)
    logger.info("the slowest in %.3f s", seconds)
    assert seconds < TIMEOUT + SLACK
    back = time.monotonic()
    while not is_cached(visitor):
        assert time.monotonic() - back < SECOND + SLACK
    logger.info("normal again after %.3f s", time.monotonic() - back)


def is_cached(visitor: Visitor) -> bool:
    """Tell whether an answer takes no query."""
    with CaptureQueriesContext(connection) as queries:
        assert ask(visitor) == "ada"
    return not queries


def test_locks_make_nobody_wait_for_more_than_their_timeout(postgres):
    visitor = logged_in(wsgi)
    locking = with_options(postgres, f"-c lock_timeout={int(TIMEOUT * 1000)}ms")
    with another_client(postgres) as client, database(locking):
        client.execute(f"LOCK TABLE {SessionRecord._meta.db_table}")
        seconds = slowest(visitor, 5)
        client.rollback()
        assert ask(visitor) == "ada"
    logger.info("the slowest in %.3f s", seconds)
    assert TIMEOUT < seconds < TIMEOUT + SLACK
