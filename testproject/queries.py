"""Count what a request asks of the database, for the foot of each page to tell."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.http import HttpRequest, HttpResponse


class Counter:
    """How many queries a request has made so far."""

    def __init__(self) -> None:
        self.count = 0


# Not on the connection: an async request makes its queries in threads, each with a
# connection of its own, and they all inherit this.
_counter: ContextVar[Counter | None] = ContextVar("counter", default=None)


class QueryCountMiddleware:
    """Gives each request ``queries``, and each response ``X-Queries``."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        request.queries = Counter()
        _counter.set(request.queries)
        if iscoroutinefunction(self):
            return self._acall(request)
        return _told(self.get_response(request), request.queries)

    async def _acall(self, request: HttpRequest) -> HttpResponse:
        return _told(await self.get_response(request), request.queries)


def _told(response: HttpResponse, queries: Counter) -> HttpResponse:
    response["X-Queries"] = str(queries.count)
    return response


def _count(execute: Callable[..., Any], *args: Any) -> Any:
    counter = _counter.get()
    if counter is not None:
        counter.count += 1
    return execute(*args)


def _watch(*, connection: BaseDatabaseWrapper, **_: Any) -> None:
    if _count not in connection.execute_wrappers:
        connection.execute_wrappers.append(_count)


connection_created.connect(_watch)
