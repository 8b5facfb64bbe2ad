"""Whoever has copied a cookie is nobody once its session has ended, at every worker."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client

from tests.conftest import START
from tests.registry.replaying import (
    AFTER,
    CAUSES,
    NAME,
    NOBODY,
    OURS,
    SLOW,
    STOCK,
    Answer,
)

SITE = "tests.registry.replaying"
LOCMEM = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
STALENESS = 30


def browser(kind, token):
    client = kind()
    client.cookies[NAME] = token
    return client


def answered(response) -> Answer:
    assert response.status_code == 200
    cookie = response.cookies.get(NAME)
    return Answer(response.content.decode(), cookie.value if cookie else None)


def ask(path, token=""):
    return answered(browser(Client, token).get(path))


def aask(path, token=""):
    return answered(async_to_sync(browser(AsyncClient, token).get)(path))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("asking", [ask, aask])
@pytest.mark.parametrize("middleware", [OURS, STOCK])
def test_a_copy_is_nobodys_after_each_end(settings, middleware, asking):
    settings.ROOT_URLCONF = SITE
    settings.MIDDLEWARE = [middleware, *AFTER]
    for cause in CAUSES:
        token = cause(asking)
        assert {asking("/who/", token).page for _ in range(3)} == {NOBODY}, cause


# Several processes


class Worker:
    """A process of the site."""

    def __init__(self, told) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.registry.replay_worker"],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._say(told)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with self._process:  # which closes the pipes: it ends
            pass

    def begin(self, *order) -> None:
        self._say(order)

    def end(self):
        return json.loads(self._process.stdout.readline())

    def do(self, *order):
        self.begin(*order)
        return self.end()

    def ask(self, path, token="") -> Answer:
        return Answer(*self.do("ask", path, token))

    def _say(self, said) -> None:
        print(json.dumps(said), file=self._process.stdin, flush=True)


@pytest.fixture
def start(tmp_path) -> Iterator:
    """Return what starts workers of one site, with a cache and a database."""
    with ExitStack() as stack:

        def start(number, cache):
            database = {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": str(tmp_path / "db.sqlite3"),
                "CONN_MAX_AGE": None,
                "OPTIONS": {"timeout": 60},
            }
            told = {
                "settings": {
                    "CACHES": {"default": cache},
                    "DATABASES": {"default": database},
                    "MIDDLEWARE": [OURS, *AFTER],
                    "ROOT_URLCONF": SITE,
                    "SECRET_KEY": secrets.token_urlsafe(50),
                },
                "options": {"REVOCATION_MAX_STALENESS": STALENESS},
                "key": secrets.token_hex(32),
            }
            workers = [stack.enter_context(Worker(told)) for _ in range(number)]
            workers[0].do("migrate")
            return workers

        yield start


@pytest.mark.heavy
def test_100_000_copies_are_nobodys_in_four_processes(start, redis_server):
    redis = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": redis_server.url,
    }
    workers = start(4, redis)
    replays = 0
    for cause in CAUSES:
        token = cause(workers[0].ask)
        times = 500 if cause in SLOW else 4000
        for worker in workers:
            worker.begin("replay", token, times)
        assert [worker.end() for worker in workers] == [0, 0, 0, 0], cause
        replays += len(workers) * times
    assert replays >= 100_000


@pytest.mark.heavy
def test_where_each_process_has_a_cache_a_copy_is_good_for_the_staleness_at_most(start):
    one, other = start(2, LOCMEM)
    for cause in CAUSES:
        move(START, one, other)
        token = cause(_asking(one, other))
        # It may be good here now: this process has not heard of it.
        move(START + STALENESS, one, other)
        assert [each.do("replay", token, 5) for each in (one, other)] == [0, 0], cause


def _asking(one, other):
    """Ask one worker, and have another one look at each session that is used."""

    def ask(path, token=""):
        if path == "/who/":
            other.ask(path, token)
        return one.ask(path, token)

    return ask


def move(now, *workers) -> None:
    for worker in workers:
        worker.do("be_at", now)
