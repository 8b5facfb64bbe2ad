"""The cache that processes share, and what becomes of it when it fails.

No request may wait long for it, or fail with it: the database knows all that it does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.core.cache import caches

from django_secure_session import conf
from django_secure_session.backends.reports import logger

#: Seconds in which the cache is left alone after a failure: one request then waits for
#: a cache that does not answer, and others do not.
REST = 0.5
#: Seconds after which an answer counts as a failure too.
SLOW = 0.25
#: Seconds that what could not be said at once is said for.
SAID_LATE_FOR = 300
#: Entries that wait to be said, at most.
MAX_UNSAID = 10_000


class SharedCache:
    """The cache of REVOCATION_CACHE_ALIAS; with a staleness of 0 it is not used."""

    def __init__(self) -> None:
        self._rests_until = 0.0  # of time.monotonic()
        self._was_slow = False
        self._unsaid: dict[str, str] = {}

    def get_many(self, keys: Iterable[str]) -> Mapping[str, object]:
        """Return what there is, nothing where the cache fails."""
        found = self._use(lambda cache: cache.get_many(keys))
        return found if isinstance(found, dict) else {}

    def add(self, key: str, value: object, seconds: int) -> None:
        """Keep a value where there is none, unless that may keep a request waiting."""
        if not self._was_slow:
            self._use(lambda cache: cache.add(key, value, seconds))

    def say(self, entries: dict[str, str], seconds: int) -> None:
        """Put values in the place of any others, as soon as the cache takes them."""
        failed = self._use(lambda cache: cache.set_many(entries, seconds) or [])
        if conf.get_config().revocation_max_staleness:
            unsaid = entries if failed is None else failed
            self._keep({key: entries[key] for key in unsaid if key in entries})

    def _use(self, operation: Callable[[Any], Any]) -> Any:
        """Do something with the cache; None where it fails, or has just failed."""
        config = conf.get_config()
        if not config.revocation_max_staleness or time.monotonic() < self._rests_until:
            return None
        alias = config.revocation_cache_alias
        started = time.monotonic()
        try:
            if self._unsaid:
                self._say_late(caches[alias])
            done = operation(caches[alias])
        except Exception as error:  # each cache has errors of its own
            self._rest(f"failed: {error!r}")
            return None
        self._judge(time.monotonic() - started)
        return done

    def _judge(self, seconds: float) -> None:
        """Leave a cache alone that is slow twice: at first it may have to connect."""
        was_slow, self._was_slow = self._was_slow, seconds > SLOW
        if was_slow and self._was_slow:
            self._rest("is slow")

    def _rest(self, why: str) -> None:
        self._rests_until = time.monotonic() + REST
        logger.warning(
            "The cache %r %s. The database is asked about sessions meanwhile.",
            conf.get_config().revocation_cache_alias,
            why,
        )

    def _say_late(self, cache: Any) -> None:
        unsaid = dict(self._unsaid)
        failed = cache.set_many(unsaid, SAID_LATE_FOR) or []
        # Not before: another thread may look meanwhile.
        for key in unsaid.keys() - set(failed):
            self._unsaid.pop(key, None)

    def _keep(self, entries: Mapping[str, str]) -> None:
        """Keep entries until the cache is back; no more than memory has room for."""
        if len(self._unsaid) + len(entries) <= MAX_UNSAID:
            self._unsaid |= entries
