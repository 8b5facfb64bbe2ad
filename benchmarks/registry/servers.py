"""A Redis for one process of the benchmark."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator

PATIENCE = 20  # seconds until it takes connections


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """Run a Redis that keeps nothing, on a socket of its own, and give its URL."""
    program = shutil.which("redis-server")
    if program is None:
        raise RuntimeError("Needs redis-server; on Debian: apt-get install it.")
    with tempfile.TemporaryDirectory() as folder:
        # The socket alone: no port, no snapshots.
        command = [program, "--port", "0", "--unixsocket", "socket", "--save", ""]
        url = f"unix://{folder}/socket"
        with subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL
        ) as process:
            try:
                _wait_for(url, process)
                yield url
            finally:
                process.kill()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    # Which imports redis-py: the first to ask the cache should not be held up by that.
    from redis import Redis
    from redis.exceptions import ConnectionError as NotYet

    patience = time.monotonic() + PATIENCE
    with Redis.from_url(url) as client:
        while process.poll() is None and time.monotonic() < patience:
            with contextlib.suppress(NotYet):
                client.ping()
                return
            time.sleep(0.01)
    raise RuntimeError("redis-server did not start.")
