"""A PostgreSQL for tests; each test run starts its own and ends it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.services import PATIENCE, Server, program, running

#: Where Debian has the server's programs: in one folder for each version.
DEBIAN = Path("/usr/lib/postgresql")
#: Takes part in the socket's name; said to both sides, as PGPORT may say another.
PORT = "5432"
ROOT = 0
USER = "postgres"
# A test may kill the server, but not the machine. (Without synchronous_commit a killed
# server would forget too.)
NEEDLESS = ("fsync", "full_page_writes")


def debian_folders() -> list[Path]:
    """Return the folders with Debian's server programs, the newest first."""
    versions = [folder for folder in DEBIAN.glob("*") if folder.name.isdecimal()]
    newest_first = sorted(versions, key=lambda folder: int(folder.name), reverse=True)
    return [folder / "bin" for folder in newest_first]


def postgres_program(name: str) -> str:
    """Return the path of one of the server's programs, or skip or fail the test."""
    return program(name, "postgresql", *debian_folders())


def unprivileged() -> pwd.struct_passwd:
    """Return whom root lets the server run as: PostgreSQL refuses to run as root."""
    known = {account.pw_name: account for account in pwd.getpwall()}
    return known.get(USER) or known["nobody"]


class PostgresServer(Server):
    """A PostgreSQL cluster on a socket in its folder, which trusts whoever gets there.

    What has been committed is there after a restart, even of a killed one.
    """

    # A "smart" shutdown would wait for all clients. And SIGKILL would leave shared
    # memory behind: with SIGQUIT too it ends as it stands, and recovers at its start.
    gently, suddenly = signal.SIGINT, signal.SIGQUIT

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._postgres = postgres_program("postgres")
        self._initdb = postgres_program("initdb")
        self._account = unprivileged() if os.geteuid() == ROOT else None
        self._numbers = count(1)

    def how(self) -> Mapping[str, Any]:
        if self._account is None:
            return {}
        user, group = self._account.pw_uid, self._account.pw_gid
        return {"user": user, "group": group, "extra_groups": []}

    def command(self) -> list[str]:
        place = ["-D", "data", "-k", str(self.folder), "-p", PORT, "-h", ""]
        return [self._postgres, *place, *(f"-c{name}=off" for name in NEEDLESS)]

    def start(self) -> None:
        if not (self.folder / "data").exists():
            self._make_cluster()
        super().start()

    def _make_cluster(self) -> None:
        if self._account is not None:
            shutil.chown(self.folder, self._account.pw_uid, self._account.pw_gid)
        who = [f"--username={USER}", "--auth=trust"]
        what = ["--encoding=UTF8", "--no-locale", "--no-sync"]
        made = subprocess.run(
            [self._initdb, "--pgdata=data", *who, *what],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            **self.how(),
        )
        assert made.returncode == 0, made.stdout

    def database(self, name: str = "postgres") -> dict[str, str]:
        """Return the entry of a database in Django's DATABASES."""
        return {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": str(self.folder),
            "NAME": name,
            "PORT": PORT,
            "USER": USER,
        }

    def new_database(self) -> dict[str, str]:
        """Make an empty database; return its entry in Django's DATABASES."""
        name = f"test_{next(self._numbers)}"
        place = {"host": str(self.folder), "port": PORT, "user": USER}
        with psycopg.connect(**place, dbname="postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.database(name)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Give the PostgreSQL of this test run, to be left running."""
    with running(PostgresServer) as server:
        yield server


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """Give a PostgreSQL that the test may kill."""
    with running(PostgresServer) as server:
        yield server
