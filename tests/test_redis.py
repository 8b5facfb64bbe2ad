"""Sessions in a real Redis: what it keeps, and what its faults do."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import redis
from django.http import HttpResponse
from django.urls import path

from django_secure_session import create_session
from tests.services import RedisServer
from tests.spilling import Browser, reopened, saved
from tests.spilling import browser as browser

MARKER = "a-marker-that-no-cache-may-hold"
OURS = "django_secure_session.middleware.SecureSessionMiddleware"
STOCK = "django.contrib.sessions.middleware.SessionMiddleware"
TWO_WEEKS = 14 * 24 * 3600
WRITE = {"data": '{"new": 1}'}


@pytest.fixture
def server(own_redis, settings) -> RedisServer:
    """A Redis that all sessions of the site are in."""
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": own_redis.url,
        }
    }
    settings.SECURE_SESSION = {
        **settings.SECURE_SESSION,
        "PLACEMENT": "spill",
        "SPILL_ABOVE": 0,
    }
    settings.MIDDLEWARE = [OURS]
    return own_redis


@pytest.fixture
def client_of_redis(server):
    """A connection past Django, to see and to break what is stored."""
    with redis.Redis.from_url(server.url) as connected:
        yield connected


@pytest.fixture
def visitor(browser, server) -> Browser:
    """A browser with a session in Redis."""
    browser.cookie = create_session({"cart": [1]}).session_key
    return browser


def only_key(client_of_redis) -> bytes:
    (key,) = client_of_redis.scan_iter()
    return key


def cart(browser: Browser) -> dict:
    """Return what the site knows about a visitor."""
    response = browser.get("/read/")
    assert response.status_code == 200
    return response.json()


def unavailable(response) -> bool:
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"
    return response.cookies == {}


# What it keeps


def test_a_session_lives_in_redis_from_request_to_request(browser, server):
    browser.get("/write/", data='{"cart": [1]}')
    browser.get("/write/", **WRITE)

    assert cart(browser) == {"cart": [1], "new": 1}


@pytest.mark.parametrize("asgi", [False, True])
def test_django_middleware_works_too(asgi, server, settings):
    settings.MIDDLEWARE = [STOCK]
    browser = Browser(asgi=asgi)
    browser.get("/write/", **WRITE)

    assert cart(browser) == {"new": 1}


def test_redis_never_sees_plaintext(server):
    saved({MARKER: [MARKER] * 50})
    server.stop()  # so that all is on the disk
    files = [f for f in Path(server.folder).rglob("*") if f.is_file()]
    raw = b"".join(file.read_bytes() for file in files)

    assert b"secure_session." in raw
    assert MARKER.encode() not in raw


def test_an_entry_dies_with_its_session_and_the_replaced_one_within_a_minute(
    server, client_of_redis
):
    store = saved()
    before = only_key(client_of_redis)
    assert 0 <= TWO_WEEKS + 60 - client_of_redis.ttl(before) < 60

    store.save()
    assert 0 < client_of_redis.ttl(before) <= 60
    (new,) = set(client_of_redis.scan_iter()) - {before}
    assert 0 <= TWO_WEEKS + 60 - client_of_redis.ttl(new) < 60


def test_log_out_leaves_nothing_in_redis(visitor, client_of_redis):
    copied = visitor.cookie
    visitor.get("/call/", methods="flush")
    assert client_of_redis.dbsize() == 0

    visitor.cookie = copied
    assert cart(visitor) == {}


# Faults


def test_a_killed_redis_is_503_and_logs_nobody_out(visitor, server):
    assert cart(visitor) == {"cart": [1]}
    server.kill()
    for view, query in [("/read/", {}), ("/write/", WRITE), ("/read/", {})]:
        assert unavailable(visitor.get(view, **query))

    server.start()
    assert cart(visitor) == {"cart": [1]}
    visitor.get("/write/", **WRITE)
    assert cart(visitor) == {"cart": [1], "new": 1}


def test_a_restart_between_two_requests_goes_unnoticed(visitor, server):
    for end in (server.stop, server.kill):
        assert cart(visitor) == {"cart": [1]}
        end()
        server.start()
    assert cart(visitor) == {"cart": [1]}


def test_a_log_in_during_an_outage_is_503_and_works_afterwards(visitor, server):
    server.kill()
    assert unavailable(visitor.get("/call/", methods="cycle_key"))

    server.start()
    visitor.get("/call/", methods="cycle_key")
    assert cart(visitor) == {"cart": [1]}


def test_a_log_out_during_an_outage_is_503_and_can_be_repeated(visitor, server):
    server.kill()
    assert unavailable(visitor.get("/call/", methods="flush"))

    server.start()
    assert cart(visitor) == {"cart": [1]}
    visitor.get("/call/", methods="flush")
    assert cart(visitor) == {}


def test_a_redis_that_dies_in_the_middle_of_a_request_is_503(visitor, server, settings):
    def dies(request):
        request.session["new"] = 1
        server.kill()
        return HttpResponse("ok")

    class Site:
        urlpatterns = (path("dies/", dies), path("adies/", dies))

    settings.ROOT_URLCONF = Site
    assert unavailable(visitor.get("/dies/"))

    settings.ROOT_URLCONF = "tests.urls"
    server.start()
    assert cart(visitor) == {"cart": [1]}


def test_a_request_without_a_session_does_not_need_redis(browser, server):
    server.kill()

    assert cart(browser) == {}


def test_a_restart_without_persistence_is_a_lost_session(visitor, server):
    server.stop()
    for folder in Path(server.folder).glob("append*"):
        shutil.rmtree(folder)
    server.start()
    response = visitor.get("/read/")

    assert (response.status_code, response.json()) == (200, {})
    assert response.cookies["sessionid"]["max-age"] == 0


def test_an_emptied_redis_is_a_lost_session_and_a_new_one_begins(
    visitor, client_of_redis
):
    lost = visitor.cookie
    client_of_redis.flushall()

    assert reopened(lost).rejection == "lost"
    assert cart(visitor) == {}
    visitor.get("/write/", **WRITE)
    assert cart(visitor) == {"new": 1}


def test_a_key_of_another_type_is_503(visitor, client_of_redis):
    key = only_key(client_of_redis)
    client_of_redis.delete(key)
    client_of_redis.rpush(key, "an item")

    assert unavailable(visitor.get("/read/"))
    assert unavailable(visitor.get("/write/", **WRITE))


@pytest.mark.parametrize("value", [b"7", b"-1"])
def test_a_number_in_its_place_is_a_stale_session(value, visitor, client_of_redis):
    client_of_redis.set(only_key(client_of_redis), value)

    assert reopened(visitor.cookie).rejection == "stale"
    assert cart(visitor) == {}


@pytest.mark.parametrize("value", [b"", b"garbage", b"\x80\x05", b"\0" * 1000])
def test_what_django_cannot_read_back_is_503(value, visitor, client_of_redis):
    client_of_redis.set(only_key(client_of_redis), value)

    assert unavailable(visitor.get("/read/"))


def test_a_redis_that_lost_its_master_is_503_and_logs_nobody_out(
    visitor, client_of_redis
):
    client_of_redis.config_set("replica-serve-stale-data", "no")
    client_of_redis.replicaof("127.0.0.1", "1")
    assert unavailable(visitor.get("/read/"))

    client_of_redis.replicaof("NO", "ONE")
    assert cart(visitor) == {"cart": [1]}


def test_a_redis_that_only_reads_serves_and_refuses_to_save(visitor, client_of_redis):
    client_of_redis.replicaof("127.0.0.1", "1")
    assert cart(visitor) == {"cart": [1]}
    assert unavailable(visitor.get("/write/", **WRITE))
    assert unavailable(visitor.get("/call/", methods="flush"))
    assert cart(visitor) == {"cart": [1]}

    client_of_redis.replicaof("NO", "ONE")
    visitor.get("/write/", **WRITE)
    assert cart(visitor) == {"cart": [1], "new": 1}


def test_a_full_redis_serves_and_refuses_to_save(visitor, client_of_redis):
    client_of_redis.config_set("maxmemory", 1)
    assert cart(visitor) == {"cart": [1]}
    assert unavailable(visitor.get("/write/", **WRITE))

    client_of_redis.config_set("maxmemory", 0)
    visitor.get("/write/", **WRITE)
    assert cart(visitor) == {"cart": [1], "new": 1}


def test_a_full_redis_still_logs_out(visitor, client_of_redis):
    client_of_redis.config_set("maxmemory", 1)
    visitor.get("/call/", methods="flush")

    assert client_of_redis.dbsize() == 0


def test_a_redis_with_a_broken_disk_serves_and_refuses_to_save(
    visitor, server, client_of_redis
):
    Path(server.folder, "dump.rdb").mkdir()  # in the place of a file
    client_of_redis.config_set("save", "3600 1")
    client_of_redis.bgsave()
    server.wait_for("background saving error")  # MISCONF from now on
    assert cart(visitor) == {"cart": [1]}
    assert unavailable(visitor.get("/write/", **WRITE))

    client_of_redis.config_set("stop-writes-on-bgsave-error", "no")
    visitor.get("/write/", **WRITE)
    assert cart(visitor) == {"cart": [1], "new": 1}


def test_a_redis_with_another_password_is_503_and_logs_nobody_out(
    visitor, server, client_of_redis, settings
):
    client_of_redis.config_set("requirepass", "changed")
    settings.CACHES = dict(settings.CACHES)  # so that Django connects again
    assert unavailable(visitor.get("/read/"))

    client_of_redis.config_set("requirepass", "")
    assert cart(visitor) == {"cart": [1]}
