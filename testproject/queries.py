"""Count what a request asks of the database, for the foot of each page to tell.

The session is saved after the page is made, and for that the registry is asked too. So
a page has marks where it tells the number, and the middleware puts it there.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.http import HttpRequest, HttpResponse

# New in each process: nobody can have a text shown that has one of these.
_NUMBER = f"number-{secrets.token_hex(16)}"
_WORDS = f"words-{secrets.token_hex(16)}"


class Counter:
    """How many queries a request has made so far, and has made in the end."""

    def __init__(self) -> None:
        self.count = 0
        self.is_told = False

    @property
    def number(self) -> str:
        """Have a page tell how many there are in the end: 0, 1, 2."""
        self.is_told = True
        return _NUMBER

    @property
    def words(self) -> str:
        """Have a page tell it in words: no query, 1 query, 2 queries."""
        self.is_told = True
        return _WORDS

    def fill_in(self, page: bytes) -> bytes:
        """Put the number where the marks are."""
        noun = "query" if self.count < 2 else "queries"
        words = f"{self.count or 'no'} {noun}"
        page = page.replace(_NUMBER.encode(), str(self.count).encode())
        return page.replace(_WORDS.encode(), words.encode())


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
    if queries.is_told:
        response.content = queries.fill_in(response.content)
        if "Content-Length" in response:
            response["Content-Length"] = str(len(response.content))
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
