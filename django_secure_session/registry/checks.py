"""What can be wrong about a site with the registry: mostly its cache."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.apps import AppConfig
from django.core.cache import caches
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from django_secure_session import conf

PER_PROCESS = "django.core.cache.backends.locmem.LocMemCache"
IN_FILES = "django.core.cache.backends.filebased.FileBasedCache"
NO_CACHE = "django.core.cache.backends.dummy.DummyCache"

#: What tells a cache's client, in OPTIONS, how long to wait for its server.
TIMEOUTS = {
    "django.core.cache.backends.redis.RedisCache": (
        *("socket_connect_timeout", "socket_timeout"),
    ),
    "django_redis.cache.RedisCache": ("SOCKET_CONNECT_TIMEOUT", "SOCKET_TIMEOUT"),
    "django.core.cache.backends.memcached.PyMemcacheCache": (
        *("connect_timeout", "timeout"),
    ),
}
LONG = 300  # seconds

OTHER_CACHE = "Name another cache in REVOCATION_CACHE_ALIAS"


def check_registry(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: object
) -> list[CheckMessage]:
    """Report a cache that does not help, or does harm."""
    alias = _cache_in_use()
    if alias is None:
        return []
    names = _backend_names(alias)
    problems: list[CheckMessage] = [*_without_timeout(alias, names)]
    if IN_FILES in names:
        problems.append(_in_files(alias))
    if NO_CACHE in names:
        problems.append(_no_cache(alias))
    return problems


def check_registry_deployment(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: object
) -> list[CheckMessage]:
    """Report, under ``check --deploy``, what lets a log-out be late."""
    problems: list[CheckMessage] = []
    if (alias := _cache_in_use()) is not None:
        if is_per_process(alias):
            problems.append(_per_process(alias))
        if conf.get_config().revocation_max_staleness > LONG:
            problems.append(W018)
    return problems


def is_per_process(alias: str) -> bool:
    """Tell whether each process has a cache of this name for itself."""
    return PER_PROCESS in _backend_names(alias)


def _cache_in_use() -> str | None:
    """Return the name of the registry's cache, None where it uses none."""
    try:
        config = conf.get_config()
    except ImproperlyConfigured:
        return None  # the checks of the sessions say so
    return config.revocation_cache_alias if config.revocation_max_staleness else None


def _backend_names(alias: str) -> list[str]:
    """Return the dotted names of a cache's class and of its bases."""
    path = conf.cache_backend(alias)
    try:
        classes = import_string(path).__mro__
    except ImportError:
        classes = ()  # Django says so when it makes the cache
    return [path, *(f"{each.__module__}.{each.__qualname__}" for each in classes)]


def _in_files(alias: str) -> Error:
    return Error(
        f"The registry's cache {alias!r} is in files, where add() is two steps: what "
        "says that a session has ended can be overwritten.",
        hint=f"{OTHER_CACHE}, such as Redis, or set REVOCATION_MAX_STALENESS to 0.",
        id="secure_session.E013",
    )


def _per_process(alias: str) -> Warning:
    return Warning(
        f"Each process has its own cache {alias!r}, so all but one learn of a log-out "
        "only when REVOCATION_MAX_STALENESS is over.",
        hint=f"{OTHER_CACHE} that all processes share, such as Redis. For one process "
        "this is fine: silence it.",
        id="secure_session.W015",
    )


def _without_timeout(alias: str, names: Sequence[str]) -> Iterator[Warning]:
    for backend, options in TIMEOUTS.items():
        if backend not in names:
            continue
        if missing := [name for name in options if not _is_set(alias, name)]:
            yield Warning(
                f"The registry's cache {alias!r} has no {' and no '.join(missing)}, so "
                "requests may wait for it for ever while its server is silent.",
                hint="Set them in its OPTIONS, to seconds such as 0.25.",
                id="secure_session.W016",
            )


def _is_set(alias: str, option: str) -> bool:
    settings: dict[str, Any] = caches.settings[alias]
    options = settings.get("OPTIONS", {})
    in_pool = options.get("CONNECTION_POOL_KWARGS") or {}  # of django-redis
    if options.get(option) is not None or in_pool.get(option.lower()) is not None:
        return True
    servers = settings.get("LOCATION", "")
    urls = re.split("[;,]", servers) if isinstance(servers, str) else servers
    return all(option.lower() in parse_qs(urlsplit(url).query) for url in urls)


def _no_cache(alias: str) -> Warning:
    return Warning(
        f"The registry's cache {alias!r} keeps nothing, so each request of somebody "
        "who is logged in makes a query.",
        hint=f"{OTHER_CACHE}. If it is meant, set REVOCATION_MAX_STALENESS to 0.",
        id="secure_session.W017",
    )


W018 = Warning(
    "REVOCATION_MAX_STALENESS is more than five minutes. For so long a session that "
    "has ended may go on where the cache could not be told.",
    hint="Set it to 300 or less; 30, the default, costs a query in half a minute.",
    id="secure_session.W018",
)
