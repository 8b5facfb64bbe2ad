"""A server that speaks enough of Redis' protocol (RESP), and that lies when told to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import BinaryIO

import pytest

Command = list[bytes]

OK = b"+OK\r\n"
NULL = {b"2": b"$-1\r\n", b"3": b"_\r\n"}  # in each version of the protocol
UNKNOWN = b"-ERR unknown command\r\n"
WRONGTYPE = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"


class FakeRedis:
    """Listens on a free port, and notes what it is asked for.

    ``answer`` gives the bytes for a command, or None for silence; a test may put
    another in its place.
    """

    def __init__(self) -> None:
        self.stored: dict[bytes, bytes] = {}
        self.commands: list[bytes] = []
        self.connections = 0
        self._null = NULL[b"2"]
        self._queued: list[Command] | None = None
        self.answer: Callable[[Command], bytes | None] = self.truth
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._socket.getsockname()[1]}"

    def close(self) -> None:
        """Refuse connections from now on, and end those there are."""
        _end(self._socket)
        self._thread.join()
        self.hang_up()

    def hang_up(self) -> None:
        """End the connections there are."""
        while self._open:
            _end(self._open.pop())

    def forget(self) -> None:
        """Count from here."""
        self.commands.clear()
        self.connections = 0

    def truth(self, command: Command) -> bytes:
        """Answer as Redis does; of transactions it knows one at a time."""
        if self._queued is not None and command != [b"EXEC"]:
            self._queued.append(command)
            return b"+QUEUED\r\n"
        name, *arguments = command
        does = getattr(self, f"do_{name.decode(errors='replace').lower()}", None)
        return does(*arguments) if does else UNKNOWN

    def do_hello(self, version: bytes) -> bytes:
        self._null = NULL[version]
        return b"%%1\r\n+proto\r\n:%s\r\n" % version

    def do_client(self, *_: bytes) -> bytes:
        return OK

    def do_multi(self) -> bytes:
        self._queued = []
        return OK

    def do_exec(self) -> bytes:
        queued, self._queued = self._queued or [], None
        return _array([self.truth(each) for each in queued])

    def do_mget(self, *keys: bytes) -> bytes:
        return _array([self._bulk(self.stored.get(key)) for key in keys])

    def do_mset(self, *pairs: bytes) -> bytes:
        self.stored |= dict(zip(pairs[::2], pairs[1::2], strict=True))
        return OK

    def do_set(self, key: bytes, value: bytes, *options: bytes) -> bytes:
        if b"NX" in options and key in self.stored:
            return self._null
        self.stored[key] = value
        return OK

    def do_expire(self, key: bytes, _: bytes) -> bytes:
        return b":%d\r\n" % (key in self.stored)

    def _bulk(self, value: bytes | None) -> bytes:
        return self._null if value is None else b"$%d\r\n%s\r\n" % (len(value), value)

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                connected, _ = self._socket.accept()
                self.connections += 1
                self._open.append(connected)
                threading.Thread(
                    target=self._serve, args=(connected,), daemon=True
                ).start()

    def _serve(self, connected: socket.socket) -> None:
        # The client may go while it is answered, or a test end.
        with suppress(OSError, ValueError), closing(connected):
            for command in _commands(connected.makefile("rb")):
                self.commands.append(command[0])
                if (said := self.answer(command)) is not None:
                    connected.sendall(said)


def _array(items: list[bytes]) -> bytes:
    return b"*%d\r\n%s" % (len(items), b"".join(items))


def _end(open_socket: socket.socket) -> None:
    with suppress(OSError), closing(open_socket):
        open_socket.shutdown(socket.SHUT_RDWR)


def _commands(stream: BinaryIO) -> Iterator[Command]:
    """Give the commands that come, each an array of bulk strings."""
    with stream:
        while line := stream.readline():
            yield [_argument(stream) for _ in range(int(line[1:]))]


def _argument(stream: BinaryIO) -> bytes:
    length = int(stream.readline()[1:])
    return stream.read(length + len(b"\r\n"))[:length]


@pytest.fixture
def fake_redis() -> Iterator[FakeRedis]:
    """Give a Redis of this test's own, which does what the test says."""
    with closing(FakeRedis()) as server:
        yield server
