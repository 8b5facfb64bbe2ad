"""A worker of the site in ``replaying``, in a process of its own.

``python -m tests.registry.replay_worker`` is told on standard input, a line of JSON
each, what the workers share and then what to do, and answers with a line each.
"""

from __future__ import annotations

import io
import json
import sys
import time
from typing import Any

import django
from django.conf import settings


def main() -> None:
    worker = Worker(json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        name, *given = json.loads(line)
        sys.stdout.write(json.dumps(getattr(worker, name)(*given)) + "\n")
        sys.stdout.flush()


class Worker:
    """Does what it is told. Its methods are the orders there are."""

    def __init__(self, told: dict[str, Any]) -> None:
        for name, value in told["settings"].items():
            setattr(settings, name, value)
        settings.SECURE_SESSION = {**told["options"], "KEY": bytes.fromhex(told["key"])}
        django.setup()
        from django.core.handlers.wsgi import WSGIHandler

        self._handler = WSGIHandler()

    def migrate(self) -> None:
        from django.core.management import call_command

        call_command("migrate", verbosity=0)

    def ask(self, path: str, token: str = "") -> list[str | None]:
        """Send a request; return the page and the cookie."""
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "SERVER_NAME": "server",
            "SERVER_PORT": "80",
            "HTTP_COOKIE": f"sessionid={token}",
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": sys.stderr,
            "wsgi.url_scheme": "http",
        }
        response = self._handler(environ, lambda *_: None)
        page = response.content.decode()
        response.close()
        if response.status_code != 200:
            raise RuntimeError(f"{path}: {response.status_code} {page}")
        cookie = response.cookies.get("sessionid")
        return [page, cookie.value if cookie else None]

    def replay(self, token: str, times: int) -> int:
        """Return how many of so many requests were taken for somebody's."""
        return sum(self.ask("/who/", token)[0] != "None None" for _ in range(times))

    def be_at(self, now: float) -> None:
        """Let it be a time, in Unix seconds, from now on."""
        from datetime import UTC, datetime

        from django.utils import timezone

        time.time = lambda: now
        timezone.now = lambda: datetime.fromtimestamp(now, UTC)


if __name__ == "__main__":
    main()
