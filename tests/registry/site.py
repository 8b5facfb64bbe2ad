"""A site with the registry, for its tests: visitors, thieves of cookies, and rows.

What a view does is written once for both servers; see tests/accounts_site.py.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from django_secure_session import registry
from django_secure_session.registry.models import AccountState, Adoption, SessionRecord
from tests.accounts_site import ADA, BOB, MIDDLEWARE, STOCK, Visitor
from tests.accounts_site import ada as ada
from tests.accounts_site import bob as bob
from tests.accounts_site import people as people
from tests.accounts_site import visitor as visitor
from tests.http import SECURE_MIDDLEWARE

GRACE = 10  # seconds that a sid which was given up is still good
STACKS = {
    "ours": MIDDLEWARE,
    "stock": [STOCK if name == SECURE_MIDDLEWARE else name for name in MIDDLEWARE],
}


@pytest.fixture(params=STACKS)
def stack(request, settings) -> str:
    """Be under our session middleware, and under Django's."""
    settings.MIDDLEWARE = STACKS[request.param]
    return request.param


# People


def log_in(on):
    """Log ada in, without Django."""
    return on.login(ADA)


def log_in_bob(on):
    return on.login(BOB)


def signed_in(server, action=log_in) -> Visitor:
    """Return another browser that has logged in, at the same server."""
    visitor = Visitor(getattr(server, "server", server))
    visitor.do(action)
    return visitor


def copied(visitor: Visitor) -> Visitor:
    """Return a thief's browser with a copy of all cookies."""
    thief = Visitor(visitor.server)
    thief.cookies = dict(visitor.cookies)
    return thief


def name_of(visitor: Visitor) -> str | None:
    """Return the id of the account that a browser is logged in to."""
    account = visitor.who()["account"]
    return account and account["id"]


def ask_registry(on, name: str, *args: Any, **kwargs: Any):
    """Call a function of the registry's, or its twin, to be awaited."""
    return on.call(registry, name, *args, **kwargs)


def handle_of(on):
    return ask_registry(on, "current_handle", on.request)


async def rejection(on):
    return await on.session("rejection")


def why(visitor: Visitor) -> str | None:
    """Return why a browser's cookie is refused."""
    return visitor.do(rejection)


# Rows


def rows() -> list[SessionRecord]:
    """Return all rows, the oldest first."""
    return list(SessionRecord.objects.order_by("created", "pk"))


def row() -> SessionRecord:
    """Return the only row."""
    return SessionRecord.objects.get()


def living() -> list[SessionRecord]:
    """Return the rows that nobody has ended one by one."""
    return [each for each in rows() if each.revoked_at is None]


def state(account_id: str = "ada") -> tuple[int, int]:
    """Return an account's epoch and the one that its sessions have to be of."""
    return AccountState.objects.values_list("epoch", "revoked_epoch").get(pk=account_id)


def installed(clock, **ago: float) -> None:
    """Be a site whose registry was installed so long ago."""
    Adoption.objects.all().delete()
    Adoption.objects.create(sealed_before=clock.datetime() - timedelta(**ago))


# What is asked


class Counting(LocMemCache):
    """A cache that notes each operation."""

    calls: ClassVar[list[str]] = []


def _counted(name: str) -> Any:
    def operation(self, *args, **kwargs):
        self.calls.append(name)
        calls, Counting.calls = self.calls, []  # get_many() is made of get()
        try:
            return getattr(LocMemCache, name)(self, *args, **kwargs)
        finally:
            Counting.calls = calls

    return operation


for _name in ("add", "delete", "get", "get_many", "set", "set_many", "touch"):
    setattr(Counting, _name, _counted(_name))


@pytest.fixture
def cache_calls(settings, request) -> Iterator[list[str]]:
    """List what the cache is asked for."""
    backend = f"{__name__}.{Counting.__name__}"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": request.node.name}}
    cache.clear()
    Counting.calls = []
    yield Counting.calls
    cache.clear()


class Asked:
    """What happened within ``asking()``."""

    queries: int
    operations: list[str]


@contextlib.contextmanager
def asking(calls: list[str]) -> Iterator[Asked]:
    """Count the queries, and list the cache's operations."""
    asked, before = Asked(), len(calls)
    with CaptureQueriesContext(connection) as captured:
        yield asked
    asked.queries = len(captured)
    asked.operations = calls[before:]


@contextlib.contextmanager
def no_database(*statements: str) -> Iterator[None]:
    """Have the database fail at statements on sessions that begin so, or at all."""

    def fail(execute, sql, params, many, context):
        if (
            sql.lstrip().startswith(statements or "")
            and "secure_session_registry" in sql
        ):
            raise OperationalError("the database is down")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail):
        yield
