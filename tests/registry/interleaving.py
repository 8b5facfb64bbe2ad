"""Operations whose steps are taken in a given order.

Each operation runs in a thread of its own, of which one at a time runs: it stops before
each access to what operations share. That is a statement, a commit, and an operation of
the cache.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from typing import Any, NamedTuple

from django.core.cache.backends.locmem import LocMemCache
from django.db import connections

PATIENCE = 60  # seconds until an operation that hangs fails
PREFIX = "secure_session_registry_"
TABLES = tuple(f"{PREFIX}{name}" for name in ("sessionrecord", "accountstate"))
ADOPTION = f"{PREFIX}adoption"
#: In the place of what a step reads or writes: all there is.
ALL = "*"


class Step(NamedTuple):
    """An access to what operations share."""

    name: str
    places: frozenset[str]
    writes: bool
    locks: bool = False

    def commutes_with(self, other: Step) -> bool:
        """Tell whether it does not matter which of two comes first."""
        if not (self.writes or other.writes):
            return True
        if ALL in self.places | other.places:
            return False
        return not self.places & other.places


class Actor:
    """A thread that takes the steps of one operation after another."""

    def __init__(self) -> None:
        self.next: Step | None = None
        self.outcome: Any = None
        self.error: Exception | None = None
        #: Whether it has written in a transaction that is not committed.
        self.has_lock = False
        self._work: SimpleQueue[Callable[[], Any] | None] = SimpleQueue()
        self._go = threading.Semaphore(0)
        self._stopped = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def begin(self, operation: Callable[[], Any]) -> None:
        """Run to before the first step."""
        self.error = self.outcome = None
        self._work.put(operation)
        self._wait()

    def step(self) -> None:
        """Take the next step, and run to before the one after it."""
        self._go.release()
        self._wait()

    def pause(self, step: Step) -> None:
        """Stop before a step; for the thread itself."""
        self.next = step
        self._stopped.release()
        self._go.acquire()

    def close(self) -> None:
        self._work.put(None)
        self._thread.join(PATIENCE)

    def _wait(self) -> None:
        if not self._stopped.acquire(timeout=PATIENCE):
            raise RuntimeError(f"An operation hangs in {self.next}")

    def _run(self) -> None:
        while (operation := self._work.get()) is not None:
            _local.actor = self
            try:
                self.outcome = operation()
            except Exception as error:
                self.error = error
            self.next, self.has_lock = None, False
            self._stopped.release()
        _local.actor = None
        connections.close_all()


_local = threading.local()


def pause(step: Step) -> None:
    """Stop before a step, in an operation; elsewhere do nothing."""
    actor = getattr(_local, "actor", None)
    if actor is not None:
        actor.pause(step)


@contextmanager
def unpaused() -> Iterator[None]:
    """Do something all at once."""
    actor, _local.actor = getattr(_local, "actor", None), None
    try:
        yield
    finally:
        _local.actor = actor


# What operations share


class PausingCache(LocMemCache):
    """A cache of which each single operation is a step, also where Redis does many."""

    def get(self, key, *args, **kwargs):
        pause(Step("get", frozenset([key]), writes=False))
        return super().get(key, *args, **kwargs)

    def add(self, key, *args, **kwargs):
        pause(Step("add", frozenset([key]), writes=True))
        return super().add(key, *args, **kwargs)

    def set(self, key, *args, **kwargs):
        pause(Step("set", frozenset([key]), writes=True))
        super().set(key, *args, **kwargs)


def watch(connection) -> None:
    """Make steps of what the present thread does with a database; once is enough."""
    if connection.execute_wrappers:
        return
    connection.execute_wrappers.append(partial(_before_statement, connection))
    for name in ("_commit", "_rollback"):
        setattr(connection, name, partial(_before_end, getattr(connection, name)))


def _before_statement(connection, execute, sql, params, many, context):
    places = frozenset(name for name in (*TABLES, ADOPTION) if name in sql)
    writes = not sql.lstrip().startswith("SELECT")
    if places:
        pause(Step(sql, places, writes, locks=writes))
    actor = getattr(_local, "actor", None)
    if actor and writes and places and connection.in_atomic_block:
        actor.has_lock = True
    return execute(sql, params, many, context)


def _before_end(method):
    """Stop before what ends a transaction that has written something."""
    actor = getattr(_local, "actor", None)
    if actor is not None and actor.has_lock:
        pause(Step(method.__name__, frozenset(TABLES), writes=True))
        actor.has_lock = False
    return method()
