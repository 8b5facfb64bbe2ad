"""The servers that other tests need: what they promise to those."""

from __future__ import annotations

import os
import pwd
import stat
from contextlib import closing, contextmanager

import pytest
from django.db import OperationalError
from django.db.utils import ConnectionHandler

from tests import postgres
from tests.services import program


@pytest.fixture
def connected(django_db_blocker):
    """Connect through Django's backend to an entry of DATABASES."""

    @contextmanager
    def connect(database):
        with (
            django_db_blocker.unblock(),
            closing(ConnectionHandler({"default": database})["default"]) as connection,
        ):
            yield connection

    return connect


@pytest.fixture
def ask(connected):
    """Send one statement through Django's backend; return the first value it gives."""

    def ask(database, statement):
        with connected(database) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone()[0] if cursor.description else None

    return ask


# PostgreSQL


def test_postgres_answers_through_django(ask, postgres_server):
    assert ask(postgres_server.database(), "SELECT 6 * 7") == 42


def test_postgres_runs_in_a_folder_of_its_own_and_never_as_root(ask, postgres_server):
    data = ask(postgres_server.database(), "SHOW data_directory")
    folder = postgres_server.folder.stat()

    assert data == str(postgres_server.folder / "data")
    assert stat.S_IMODE(folder.st_mode) == 0o700
    assert folder.st_uid != 0
    assert folder.st_uid == os.geteuid() or os.geteuid() == 0


def test_postgres_cannot_be_reached_from_the_network(ask, postgres_server):
    assert ask(postgres_server.database(), "SHOW listen_addresses") == ""


def test_each_new_database_in_postgres_is_empty(ask, postgres_server):
    first, second = postgres_server.new_database(), postgres_server.new_database()
    ask(first, "CREATE TABLE thing (id int)")

    find = "SELECT to_regclass('thing') IS NOT NULL"
    assert [ask(first, find), ask(second, find)] == [True, False]


def test_a_killed_postgres_refuses_and_a_restarted_one_has_all_that_was_committed(
    ask, connected, own_postgres
):
    database = own_postgres.new_database()
    ask(database, "CREATE TABLE thing AS SELECT 7 AS id")
    with connected(database) as connection:
        connection.ensure_connection()  # a client holds up neither end
        own_postgres.kill()
        with pytest.raises(OperationalError), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    with pytest.raises(OperationalError):
        ask(database, "SELECT 1")

    for end in (own_postgres.stop, own_postgres.kill):
        own_postgres.start()
        assert ask(database, "SELECT id FROM thing") == 7
        end()


def test_root_lets_postgres_run_as_nobody_where_there_is_no_account_for_it(monkeypatch):
    known = [account for account in pwd.getpwall() if account.pw_name != "postgres"]
    monkeypatch.setattr(pwd, "getpwall", lambda: known)

    assert postgres.unprivileged().pw_name == "nobody"


# Programs


def make_program(folder):
    path = folder / "served"
    folder.mkdir(parents=True)
    path.touch(mode=0o700)
    return str(path)


def test_a_program_is_looked_for_on_the_path_first(monkeypatch, tmp_path):
    elsewhere = make_program(tmp_path / "elsewhere")
    assert program("served", "served", tmp_path / "elsewhere") == elsewhere

    on_path = make_program(tmp_path / "on_path")
    monkeypatch.setenv("PATH", str(tmp_path / "on_path"))
    assert program("served", "served", tmp_path / "elsewhere") == on_path


def test_of_debians_postgresqls_the_newest_is_taken(monkeypatch, tmp_path):
    for version in ("9", "15", "common"):
        make_program(tmp_path / version / "bin")
    monkeypatch.setattr(postgres, "DEBIAN", tmp_path)

    newest = str(tmp_path / "15" / "bin" / "served")
    assert postgres.postgres_program("served") == newest


@pytest.mark.parametrize(
    ("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)]
)
def test_an_absent_program_skips_the_test_and_in_ci_fails_it(ci, outcome, monkeypatch):
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="apt-get install served"):
        program("served", "served")
