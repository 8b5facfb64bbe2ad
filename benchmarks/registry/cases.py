"""What is measured: each case sends one request of a user who is logged in.

The view reads a key of the session. Each case is tried when it is built: measuring
something broken is worthless. That also fills the caches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

from benchmarks import site
from benchmarks.guards import project as guards
from benchmarks.measuring import Case
from benchmarks.registry import project
from benchmarks.registry.project import NO_SESSION, Found
from benchmarks.requests.views import AFTER
from benchmarks.sessions import Session
from benchmarks.transports import ASGI, WSGI, Answer

SIZES = ("log-in", "wizard")


def name(size: str, setup: str) -> str:
    """Return what a case is called in the figures of a process."""
    return f"{size}/{setup}"


class Cases:
    """The cases of one transport."""

    def __init__(self, transport: WSGI | ASGI) -> None:
        self._transport = transport
        self._setups = project.setups()
        self._found = project.found()
        self._handlers = {
            name: site.handler(transport.handler, setup)
            for name, setup in self._setups.items()
        }

    def groups(self, of_size: Mapping[str, Session]) -> Iterator[dict[str, Case]]:
        """Yield the cases by name, those together that are compared with each other."""
        for size in SIZES:
            yield {
                name(size, setup): self._case(setup, of_size[size])
                for setup in self._setups
            }

    def _case(self, setup: str, session: Session) -> Case:
        found = self._found.get(setup)
        if found:
            found.put()
        cookie = ""
        if setup != NO_SESSION:
            cookie = project.apart(guards.cookie, self._setups[setup], session)
        case = self._request(setup, cookie)
        if isinstance(self._transport, ASGI):
            case = _in_a_task(case)
        if found:
            case = _after(found, case)
        _check(self._transport.answer(case), guards.VALUE if cookie else AFTER)
        return case

    def _request(self, setup: str, cookie: str) -> Case:
        path = f"{self._transport.prefix}{'read' if cookie else 'untouched'}/"
        return self._transport.case(self._handlers[setup], path, cookie)


def _in_a_task(case: Case) -> Case:
    """Send each request in a task of its own, and so in a context, as servers do.

    Else the clients of caches would stay in the context, with their connections.
    """

    async def send() -> object:
        return await asyncio.create_task(case())

    return send


def _after(found: Found, case: Case) -> Case:
    """Send a request after the package has found out what it would in a setup."""

    def put_and_send() -> object:
        found.put()
        return case()

    return put_and_send


def _check(answer: Answer, body: str) -> None:
    if answer != Answer(200, "", body):
        raise RuntimeError(f"This is not the answer that is to be measured: {answer}")
