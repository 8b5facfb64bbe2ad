"""What is measured: each case sends one request of a program that has a good key.

Each case is tried once when it is built: measuring something broken is worthless.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from benchmarks import site
from benchmarks.api_keys import project
from benchmarks.api_keys.project import STACKS, USER_ID, VIEWS
from benchmarks.measuring import Case
from benchmarks.transports import ASGI, WSGI, Answer

#: What a program sends. REST framework would make a page for what a browser accepts.
HEADERS = {"host": "shop.example.org", "user-agent": "curl/8.14.1", "accept": "*/*"}


def name(stack: str, view: str) -> str:
    """Return what a case is called in the figures of a process."""
    return f"{stack}/{view}"


class Cases:
    """The cases of one transport."""

    def __init__(self, transport: WSGI | ASGI) -> None:
        self._transport = transport
        self._authorizations = project.authorizations()

    def groups(self) -> Iterator[dict[str, Case]]:
        """Yield the cases by name, those together that are compared with each other."""
        for stack in STACKS:
            yield {name(stack, view): self._case(stack, view) for view in VIEWS}

    def _case(self, stack: str, view: str) -> Case:
        handler = site.handler(self._transport.handler, project.setup(stack, view))
        path = f"{self._transport.prefix}{view}/"
        shown = self._authorizations.get(view)
        headers = HEADERS | ({"authorization": shown} if shown else {})
        case = self._transport.case(handler, path, headers=headers)
        _check(self._transport.answer(case))
        return case


def _check(answer: Answer) -> None:
    status, set_cookie, body = answer
    if (status, set_cookie) != (200, "") or json.loads(body) != {
        "account": f"{USER_ID}"
    }:
        raise RuntimeError(f"This is not the answer that is to be measured: {answer}")
