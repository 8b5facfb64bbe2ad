"""What the checks say of a site with the registry, and of one without."""

from __future__ import annotations

import secrets

import pytest
from django.apps import apps
from django.core import checks
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache

from django_secure_session.checks import check_deployment
from django_secure_session.registry.checks import (
    check_registry,
    check_registry_deployment,
)

KEY = secrets.token_bytes(32)
CACHES = "django.core.cache.backends"
REDIS, PYMEMCACHE = f"{CACHES}.redis.RedisCache", f"{CACHES}.memcached.PyMemcacheCache"
DJANGO_REDIS = "django_redis.cache.RedisCache"  # is not installed here
TIMEOUTS = {"socket_timeout": 0.25, "socket_connect_timeout": 0.25}
STOCK = "django.contrib.sessions.middleware.SessionMiddleware"
ACCOUNTS = "django_secure_session.middleware.AccountMiddleware"


class OwnInFiles(FileBasedCache):
    """A site's own cache, as the others."""


class OwnInMemory(LocMemCache):
    pass


class OwnDummy(DummyCache):
    pass


class OwnRedis(RedisCache):
    pass


def own(cache: type) -> str:
    return f"{__name__}.{cache.__name__}"


@pytest.fixture
def found(settings):
    """Return a function that tells the ids of what is reported of a cache."""
    settings.SECURE_SESSION = {"KEY": KEY, "REVOCATION_CACHE_ALIAS": "ended"}

    def of(backend: str, **cache: object) -> list[str]:
        default = {"BACKEND": f"{CACHES}.db.DatabaseCache", "LOCATION": "table"}
        settings.CACHES = {"default": default, "ended": {"BACKEND": backend, **cache}}
        ids = [each.id for each in (*check_registry(), *check_registry_deployment())]
        return [name.removeprefix("secure_session.") for name in ids]

    return of


def options(settings, **changed: object) -> None:
    settings.SECURE_SESSION = {**settings.SECURE_SESSION, **changed}


def test_a_shared_cache_with_timeouts_is_fine(found):
    assert found(REDIS, LOCATION="redis://cache", OPTIONS=TIMEOUTS) == []
    assert found(f"{CACHES}.db.DatabaseCache", LOCATION="table") == []


@pytest.mark.parametrize("backend", [f"{CACHES}.filebased.FileBasedCache", OwnInFiles])
def test_a_cache_in_files_is_an_error(found, backend, tmp_path):
    path = backend if isinstance(backend, str) else own(backend)

    assert found(path, LOCATION=tmp_path / "cache") == ["E013"]
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("backend", [f"{CACHES}.locmem.LocMemCache", OwnInMemory])
def test_a_cache_of_each_process_is_a_warning_for_deployment(found, backend):
    path = backend if isinstance(backend, str) else own(backend)

    assert found(path) == ["W015"]
    assert check_registry() == []


@pytest.mark.parametrize("backend", [f"{CACHES}.dummy.DummyCache", OwnDummy])
def test_a_cache_that_keeps_nothing_is_a_warning(found, backend):
    path = backend if isinstance(backend, str) else own(backend)

    assert found(path) == ["W017"]


@pytest.mark.parametrize("backend", [REDIS, DJANGO_REDIS, PYMEMCACHE, OwnRedis])
def test_a_cache_that_would_be_waited_for_forever_is_a_warning(found, backend):
    path = backend if isinstance(backend, str) else own(backend)

    assert found(path, LOCATION="redis://cache") == ["W016"]


@pytest.mark.parametrize(
    ("backend", "timeouts"),
    [
        (REDIS, TIMEOUTS),
        (DJANGO_REDIS, {name.upper(): 0.25 for name in TIMEOUTS}),
        (PYMEMCACHE, {"connect_timeout": 0.25, "timeout": 0.25}),
    ],
)
def test_both_timeouts_are_needed_and_none_is_none(found, backend, timeouts):
    assert found(backend, LOCATION="cache:1", OPTIONS=timeouts) == []
    for name in timeouts:
        for wrong in (timeouts | {name: None}, {name: 1}):
            assert found(backend, LOCATION="cache:1", OPTIONS=wrong) == ["W016"]


def test_timeouts_may_stand_among_what_django_redis_hands_to_the_pool(found):
    def with_pool(**timeouts: float | None) -> list[str]:
        options = {"CONNECTION_POOL_KWARGS": timeouts}
        return found(DJANGO_REDIS, LOCATION="redis://cache", OPTIONS=options)

    assert with_pool(**TIMEOUTS) == []
    for name in TIMEOUTS:
        assert with_pool(**TIMEOUTS | {name: None}) == ["W016"]
        assert with_pool(**{name: 0.25}) == ["W016"]


def test_the_warning_names_the_timeouts_that_are_missing(found):
    found(REDIS, LOCATION="redis://cache", OPTIONS={"socket_timeout": 0.25})
    (warning,) = check_registry()

    assert "'ended' has no socket_connect_timeout, so" in warning.msg
    assert "OPTIONS" in warning.hint


def test_timeouts_may_stand_in_the_url_of_each_server(found):
    with_them = "redis://cache/1?socket_timeout=1&socket_connect_timeout=1"
    others = f"{with_them},redis://other"

    assert found(REDIS, LOCATION=with_them) == []
    assert found(DJANGO_REDIS, LOCATION=with_them) == []
    assert found(REDIS, LOCATION=[with_them, with_them]) == []
    assert found(REDIS, LOCATION=others) == ["W016"]
    assert found(REDIS, LOCATION=others.split(",")) == ["W016"]


@pytest.mark.parametrize(("seconds", "expected"), [(300, []), (301, ["W018"])])
def test_a_log_out_that_may_be_minutes_late_is_a_warning(
    found, settings, seconds, expected
):
    options(settings, REVOCATION_MAX_STALENESS=seconds)

    assert found(REDIS, LOCATION="redis://cache", OPTIONS=TIMEOUTS) == expected


def test_no_cache_is_wrong_where_none_is_used(found, settings):
    options(settings, REVOCATION_MAX_STALENESS=0)
    for cache in (OwnInFiles, OwnInMemory, OwnDummy, OwnRedis):
        assert found(own(cache), LOCATION="redis://cache") == []


def test_a_cache_that_can_not_be_imported_is_djangos_affair(found):
    assert found("no.such.Cache") == []


def test_settings_that_are_wrong_are_for_another_check(found, settings):
    options(settings, KEY="")

    assert found(own(OwnDummy)) == []


def test_each_message_names_the_cache_and_a_way_out(found, settings):
    options(settings, REVOCATION_MAX_STALENESS=301)
    for cache in (OwnInFiles, OwnInMemory, OwnDummy, OwnRedis):
        found(own(cache), LOCATION="redis://cache")
        for message in (*check_registry(), *check_registry_deployment()):
            assert "'ended'" in message.msg or message.id == "secure_session.W018"
            assert message.hint


def test_the_checks_are_registered(settings, db):
    ids = {each.id for each in checks.run_checks(include_deployment_checks=True)}
    assert "secure_session.W015" in ids
    assert "secure_session.W015" not in {each.id for each in checks.run_checks()}

    settings.CACHES = {"default": {"BACKEND": own(OwnDummy)}}
    assert "secure_session.W017" in {each.id for each in checks.run_checks()}


# A site without the registry


@pytest.fixture
def without(settings, monkeypatch):
    """Return a function that tells whether a site with these apps is warned."""
    settings.SECURE_SESSION = {"KEY": KEY}

    def is_warned(*installed: str) -> bool:
        monkeypatch.setattr(apps, "is_installed", installed.__contains__)
        return "secure_session.W014" in {each.id for each in check_deployment()}

    return is_warned


def test_a_site_where_people_log_in_should_have_the_registry(without, settings):
    settings.MIDDLEWARE = [STOCK]
    assert without("django.contrib.auth")
    assert not without("django.contrib.auth", "django_secure_session.registry")

    settings.MIDDLEWARE = [STOCK, ACCOUNTS]
    assert without()


def test_where_nobody_can_log_in_it_is_not_missed(without, settings):
    settings.MIDDLEWARE = [STOCK]

    assert not without()


def test_djangos_engines_that_store_sessions_do_without_it(without, settings):
    settings.MIDDLEWARE = [STOCK]
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"

    assert not without("django.contrib.auth")


def test_the_way_to_a_log_out_that_means_it_is_told(without, settings):
    settings.MIDDLEWARE = [STOCK]
    without("django.contrib.auth")
    (warning,) = (m for m in check_deployment() if m.id == "secure_session.W014")

    assert "ASVS 5.0, 7.4.1" in warning.msg
    assert '"django_secure_session.registry"' in warning.hint
    assert "manage.py migrate" in warning.hint
