"""Servers that tests need for real; each test run starts its own and ends it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 20  # seconds that a server may take to do something


def program(name: str, package: str, *folders: Path) -> str:
    """Return the path of a program; without it skip the test, in CI fail it.

    The folders are looked into after those on the PATH.
    """
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *map(str, folders)])
    found = shutil.which(name, path=path)
    if found is not None:
        return found
    reason = f"{name} is not installed; on Debian: apt-get install {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


class Server:
    """A program that runs in a folder of its own and says how it is doing."""

    #: What it says when it takes requests, in lower case.
    ready = "ready to accept connections"
    #: How to end it as a service manager does, and as a fault does.
    gently, suddenly = signal.SIGTERM, signal.SIGKILL

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """Return what starts it in the foreground."""
        raise NotImplementedError

    def how(self) -> Mapping[str, Any]:
        """Return what ``Popen`` is told beside the command."""
        return {}

    def start(self) -> None:
        """Start and wait until it answers."""
        reads, writes = os.pipe()
        os.set_blocking(writes, False)  # what nobody reads is lost and stops nobody
        self._output = os.fdopen(reads)
        with os.fdopen(writes, "wb") as output:
            self._process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                **self.how(),
            )
        self.wait_for(self.ready)

    def wait_for(self, text: str) -> None:
        """Wait until it says something in its log, in whatever case."""
        said = []
        patience = threading.Timer(PATIENCE, self._process.kill)
        patience.start()
        try:
            for line in self._output:
                said.append(line)
                if text in line.lower():
                    return
        finally:
            patience.cancel()
        self.stop()
        raise RuntimeError(f"{type(self).__name__} never said {text!r}: {said}")

    def stop(self) -> None:
        """End it as a service manager does; does nothing if it has ended."""
        self._end(self.gently)

    def kill(self) -> None:
        """End it as a fault does."""
        self._end(self.suddenly)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._output.close()


@contextmanager
def running(kind: type[Server]) -> Iterator[Server]:
    """Give a server that runs, in a folder that nobody else may look into."""
    # pytest's own folders can have names that are too long for a socket's path.
    with tempfile.TemporaryDirectory() as folder:
        server = kind(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.kill()  # nobody needs its data, and it takes no time


class RedisServer(Server):
    """A redis-server on a socket in its folder.

    Every write is on the disk before it is answered, so a restart loses nothing.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._program = program("redis-server", "redis-server")

    @property
    def url(self) -> str:
        return f"unix://{self.folder}/socket"

    def command(self) -> list[str]:
        command = [self._program, "--port", "0", "--unixsocket", "socket"]
        durable = ["--save", "", "--appendonly", "yes", "--appendfsync", "always"]
        return [*command, *durable]


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    """Give the Redis of this test run."""
    with running(RedisServer) as server:
        yield server


@pytest.fixture
def redis_server(shared_redis: RedisServer) -> RedisServer:
    """Give the Redis of this test run, emptied, to be left running."""
    import redis  # which a site need not have

    with redis.Redis.from_url(shared_redis.url) as client:
        client.flushall()
    return shared_redis


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """Give a Redis that the test may kill."""
    with running(RedisServer) as server:
        yield server
