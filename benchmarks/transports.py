"""Send a request to Django's own handlers, as a WSGI or an ASGI server does.

No server runs: it would cost more than all that is measured here. But everything that
Django does is in it, from the signals around a request to the closing of the response.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import sys
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler

from benchmarks.measuring import Case, Meter
from benchmarks.site import Handler

#: What a browser sends beside its cookies.
HEADERS = {
    "host": "shop.example.org",
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0",
    "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "accept-language": "en-GB,en;q=0.5",
    "accept-encoding": "gzip, deflate, br",
}


class Answer(NamedTuple):
    """What came back: the status, the value of Set-Cookie and the body."""

    status: int
    set_cookie: str
    body: str


class WSGI:
    """Django as a WSGI application, in one thread whose CPU time is measured."""

    handler = WSGIHandler
    prefix = "/"

    def __init__(self) -> None:
        self.meter = Meter()

    def case(
        self,
        handler: Handler,
        path: str,
        cookie: str = "",
        headers: Mapping[str, str] = HEADERS,
    ) -> Case:
        """Return a function that sends one request."""
        environ = _environ(path, _with(headers, cookie))

        def send() -> tuple[list[Any], bytes]:
            head: list[Any] = []
            response = handler(environ.copy(), lambda *args: head.extend(args))
            body = b"".join(response)
            response.close()
            return head, body

        return send

    def answer(self, case: Case) -> Answer:
        """Send the request of a case and read what came back."""
        (status, headers), body = case()
        set_cookie = dict(headers).get("Set-Cookie", "")
        return Answer(int(status[:3]), set_cookie, body.decode())


class ASGI:
    """Django as an ASGI application on one event loop.

    Django runs sync code, such as its stock session middleware, in threads that it
    begins and ends with each request. So the meter reads the CPU time of the process:
    that of one thread would leave out what those do. It leaves out that a request waits
    for them, which costs no CPU but time.
    """

    handler = ASGIHandler
    prefix = "/async/"

    def __init__(self) -> None:
        # A request with its threads takes about a millisecond.
        self.meter = Meter(self._spent, window=2_000_000)
        self._runner = asyncio.Runner()

    def case(
        self,
        handler: Handler,
        path: str,
        cookie: str = "",
        headers: Mapping[str, str] = HEADERS,
    ) -> Case:
        """Return a coroutine function that sends one request."""
        scope = _scope(path, _with(headers, cookie))

        async def send() -> list[dict[str, Any]]:
            sent: list[dict[str, Any]] = []
            received = False

            async def receive() -> dict[str, Any]:
                nonlocal received
                if received:  # Django waits for a disconnect until it has answered
                    await asyncio.get_running_loop().create_future()
                received = True
                return {"type": "http.request"}

            async def collect(message: dict[str, Any]) -> None:
                sent.append(message)

            await handler(scope.copy(), receive, collect)
            return sent

        return send

    def answer(self, case: Case) -> Answer:
        """Send the request of a case and read what came back."""
        start, body = self._runner.run(case())
        set_cookie = dict(start["headers"]).get(b"Set-Cookie", b"")
        return Answer(start["status"], set_cookie.decode(), body["body"].decode())

    def _spent(self, case: Case, calls: int) -> int:
        return self._runner.run(_process_time(case, calls))


async def _process_time(case: Case, calls: int) -> int:
    """Return the CPU nanoseconds of the whole process for so many calls."""
    start = time.process_time_ns()
    for _ in itertools.repeat(None, calls):
        await case()
    return time.process_time_ns() - start


def _with(headers: Mapping[str, str], cookie: str) -> Mapping[str, str]:
    return {**headers, "cookie": cookie} if cookie else headers


def _environ(path: str, headers: Mapping[str, str]) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        **{f"HTTP_{key.upper().replace('-', '_')}": v for key, v in headers.items()},
    }


def _scope(path: str, headers: Mapping[str, str]) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(key.encode(), value.encode()) for key, value in headers.items()],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
    }


TRANSPORTS: dict[str, type[WSGI | ASGI]] = {"sync": WSGI, "async": ASGI}
