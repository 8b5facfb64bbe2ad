"""Servers that tests need for real; each test run starts its own and ends it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

PATIENCE = 20  # seconds that a server may take to do something


def program(name: str, package: str) -> str:
    """Return the path of a program; without it skip the test, in CI fail it."""
    path = shutil.which(name)
    if path is not None:
        return path
    reason = f"{name} is not installed; on Debian: apt-get install {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


class RedisServer:
    """A redis-server on a socket in a folder of its own.

    Every write is on the disk before it is answered, so a restart loses nothing.
    """

    def __init__(self, folder: Path) -> None:
        self._program = program("redis-server", "redis-server")
        self.folder = folder
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.folder}/socket"

    def start(self) -> None:
        """Start and wait until it answers."""
        command = [self._program, "--port", "0", "--unixsocket", "socket"]
        durable = ["--save", "", "--appendonly", "yes", "--appendfsync", "always"]
        self._process = subprocess.Popen(
            [*command, *durable],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.wait_for("ready to accept connections")

    def wait_for(self, text: str) -> None:
        """Wait until it says something in its log, in whatever case."""
        said = []
        patience = threading.Timer(PATIENCE, self._process.kill)
        patience.start()
        try:
            for line in self._process.stdout:
                said.append(line)
                if text in line.lower():
                    return
        finally:
            patience.cancel()
        self.stop()
        raise RuntimeError(f"redis-server never said {text!r}: {''.join(said)}")

    def stop(self) -> None:
        """End it as a service manager does; does nothing if it has ended."""
        self._end(subprocess.Popen.terminate)

    def kill(self) -> None:
        """End it as a fault does."""
        self._end(subprocess.Popen.kill)

    def _end(self, end) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with process:  # which also closes the pipe and waits
            end(process)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """Give the Redis of this test run, to be left running."""
    yield from _running_redis()


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """Give a Redis that the test may kill."""
    yield from _running_redis()


def _running_redis() -> Iterator[RedisServer]:
    # pytest's own folders can have names that are too long for a socket's path.
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.kill()  # nobody needs its data, and it takes no time
