"""What is measured: each case sends one request, always the same.

A visitor with a session reads a key of it, changes a key, or asks for a page that does
not look at it; the last also without a cookie. "no session" is the same site without
any middleware and the page that looks at no session.

Each case is tried once when it is built: measuring something broken is worthless.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping
from http.cookies import SimpleCookie
from itertools import product

from benchmarks import site
from benchmarks.measuring import Case
from benchmarks.requests import project
from benchmarks.requests.views import AFTER, BEFORE, KEY
from benchmarks.sessions import Session
from benchmarks.transports import ASGI, WSGI, Answer

SIZES = ("log-in", "wizard")
NO_COOKIE = "no cookie"
USES = tuple((action, size) for action in ("read", "write") for size in SIZES)
UNTOUCHED = tuple(("untouched", size) for size in (NO_COOKIE, *SIZES))


def name(action: str, size: str, setup: str) -> str:
    """Return what a case is called in the figures of a process."""
    return f"{action}/{size}/{setup}"


class Cases:
    """The cases of one transport."""

    def __init__(self, transport: WSGI | ASGI, our_middleware: str) -> None:
        self._transport = transport
        self._groups = project.groups(our_middleware)
        self._setups = dict(ChainMap(*self._groups))
        self._handlers = {
            name: site.handler(transport.handler, setup)
            for name, setup in self._setups.items()
        }

    def groups(self, of_size: Mapping[str, Session]) -> Iterator[dict[str, Case]]:
        """Yield the cases by name, those together that are compared with each other."""
        for (action, size), setups in product((*USES, *UNTOUCHED), self._groups):
            session = of_size.get(size, {}) | {KEY: BEFORE}
            yield {
                name(action, size, setup): self._case(setup, action, size, session)
                for setup in setups
            }

    def _case(self, setup: str, action: str, size: str, session: Session) -> Case:
        if not self._setups[setup].engine:
            action, size = "untouched", NO_COOKIE
        cookie = ""
        if size != NO_COOKIE:
            cookie = project.cookie(self._setups[setup], session)
        case = self._send(setup, action, cookie)
        answer = self._transport.answer(case)
        body = BEFORE if action == "read" else AFTER
        _check(answer, body, sets_cookie=action == "write")
        if action == "write":
            self._check_written(setup, answer)
        return case

    def _check_written(self, setup: str, answer: Answer) -> None:
        (morsel,) = SimpleCookie(answer.set_cookie).values()
        read = self._send(setup, "read", f"{morsel.key}={morsel.value}")
        _check(self._transport.answer(read), AFTER, sets_cookie=False)

    def _send(self, setup: str, action: str, cookie: str) -> Case:
        path = f"{self._transport.prefix}{action}/"
        return self._transport.case(self._handlers[setup], path, cookie)


def _check(answer: Answer, body: str, *, sets_cookie: bool) -> None:
    expected = 200, sets_cookie, body
    if (answer.status, bool(answer.set_cookie), answer.body) != expected:
        raise RuntimeError(f"This is not the answer that is to be measured: {answer}")
