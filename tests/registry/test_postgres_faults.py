"""The registry in a PostgreSQL that is well, stopped, locked and read-only."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.backends.base import UpdateError
from django.core.cache import cache
from django.db import connection, connections, transaction
from django.utils import timezone

from django_secure_session import StoreUnavailable, decode_session
from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.registry import (
    account_changed,
    active_sessions,
    revoke,
    revoke_account,
)
from django_secure_session.registry.models import AccountState, Adoption, SessionRecord
from tests.accounts_site import Doing, Visitor, claims_of, sealed
from tests.http import wsgi
from tests.postgres import PostgresServer
from tests.registry.faults import (
    another_client,
    ask,
    copy_of,
    cycle,
    database,
    each_server,
    is_unavailable,
    log_in,
    log_out,
    logged_in,
    migrate,
    who,
    with_options,
    write,
)
from tests.registry.faults import faulty_site as faulty_site
from tests.services import running

pytestmark = pytest.mark.usefixtures("faulty_site")

PATIENCE = 20  # seconds that something may take on the slowest machine
WRITING = [cycle, log_out, log_in]
TABLES = (SessionRecord, AccountState)


@pytest.fixture(scope="module")
def stoppable() -> Iterator[PostgresServer]:
    """Give a PostgreSQL that these tests may stop, if they start it again."""
    with running(PostgresServer) as server:
        yield server


@pytest.fixture(scope="module")
def entry(stoppable, django_db_blocker) -> dict[str, Any]:
    """A database with the registry's tables, as DATABASES has it."""
    made = stoppable.new_database()
    with django_db_blocker.unblock(), database(made):
        migrate()
    return made


@pytest.fixture
def postgres(entry, django_db_blocker) -> Iterator[dict[str, Any]]:
    """The site's database, with nothing in the registry."""
    with django_db_blocker.unblock(), database(entry):
        yield entry
        for table in TABLES:
            table.objects.all().delete()


class Worker:
    """A thread that lives on, with a connection of its own."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)

    def begin(self, *called: Any) -> Future[Any]:
        return self._pool.submit(*called)

    def do(self, *called: Any) -> Any:
        return self.begin(*called).result(PATIENCE)

    def close(self) -> None:
        self.do(connections.close_all)
        self._pool.shutdown()


@pytest.fixture
def worker(django_db_blocker) -> Iterator[Worker]:
    made = Worker()
    yield made
    made.close()


def wait_until_blocked() -> None:
    """Wait until somebody waits for a lock that this thread has."""
    patience = threading.Event()
    timer = threading.Timer(PATIENCE, patience.set)
    timer.start()
    try:
        with connection.cursor() as cursor:
            while not patience.is_set():
                cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
                if cursor.fetchone() != (0,):
                    return
    finally:
        timer.cancel()
    pytest.fail("nobody waits for a lock")


def token_of(visitor: Visitor) -> str:
    return visitor.header().partition("=")[2]


def account_of(token: str) -> str | None:
    """Return what the registry lets a token be outside of a request."""
    cache.clear()
    session = decode_session(token)
    return session and session.registration.handle


# It works there


@each_server
def test_sessions_begin_go_on_and_end_in_postgres(server, postgres):
    visitor = logged_in(server)
    thief = copy_of(visitor)
    for action, said in [(who, "ada"), (write, "written"), (cycle, "cycled")]:
        cache.clear()
        assert ask(visitor, action) == said
        assert ask(thief) == "ada"
    late = copy_of(visitor)
    assert ask(visitor, log_out) == "out"
    for copied in (thief, late, visitor):
        assert ask(copied) == "nobody"
        cache.clear()
        assert ask(copied) == "nobody"


def test_all_that_the_registry_does_it_does_in_postgres(postgres):
    visitors = [logged_in(wsgi) for _ in range(4)]
    one, two, *_ = [row.handle for row in active_sessions("ada")]
    assert revoke(one, account_id="ada")
    assert not revoke(one)
    SessionRecord.objects.filter(pk=two).update(expires=timezone.now() - timedelta(1))
    assert [ask(visitor) for visitor in visitors].count("ada") == 3
    account_changed("ada")
    revoke_account("ada")
    assert [ask(visitor) for visitor in visitors] == ["nobody"] * 4
    SessionStore.clear_expired()
    assert SessionRecord.objects.count() == 3
    assert not active_sessions("ada").exists()


@each_server
def test_an_older_session_is_adopted_in_postgres(server, postgres):
    Adoption.objects.update(sealed_before=timezone.now() + timedelta(hours=1))
    visitor = Visitor(server)
    visitor.put(sealed(claims_of()))
    assert ask(visitor) == "ada"
    thief = copy_of(visitor)
    assert ask(visitor, log_out) == "out"
    assert ask(thief) == "nobody"
    assert SessionRecord.objects.count() == 1


# Two at once

Changes = list[tuple[str, Callable[[SessionStore], None]]]


def test_of_two_cycles_at_once_one_wins(postgres, worker):
    token = token_of(logged_in(wsgi))
    first = SessionStore(token)
    with transaction.atomic():
        first.cycle_key()
        second = worker.begin(SessionStore(token).cycle_key)
        wait_until_blocked()
    with pytest.raises(UpdateError):
        second.result(PATIENCE)
    assert account_of(first.session_key)
    assert SessionRecord.objects.count() == 1


def test_a_cycle_that_waited_for_a_log_out_revives_nothing(postgres, worker):
    token = token_of(logged_in(wsgi))
    second = SessionStore(token)
    with transaction.atomic():
        SessionStore(token).flush()
        cycled = worker.begin(second.cycle_key)
        wait_until_blocked()
    with pytest.raises(UpdateError):
        cycled.result(PATIENCE)
    assert account_of(token) is None


def test_a_cycle_that_waited_for_a_log_out_which_failed_goes_on(postgres, worker):
    token = token_of(logged_in(wsgi))
    second = SessionStore(token)
    with transaction.atomic():
        SessionStore(token).flush()
        cycled = worker.begin(second.cycle_key)
        wait_until_blocked()
        transaction.set_rollback(True)
    cycled.result(PATIENCE)
    assert account_of(second.session_key)


def test_a_log_out_that_waited_for_a_cycle_ends_what_came_of_it(postgres, worker):
    token = token_of(logged_in(wsgi))
    first = SessionStore(token)
    with transaction.atomic():
        first.cycle_key()
        ended = worker.begin(SessionStore(token).flush)
        wait_until_blocked()
    ended.result(PATIENCE)
    assert account_of(first.session_key) is None
    assert account_of(token) is None


def test_a_reader_in_a_long_transaction_keeps_no_log_out_waiting(postgres, worker):
    token = token_of(logged_in(wsgi))
    (row,) = active_sessions("ada")
    SessionRecord.objects.update(last_seen=timezone.now() - timedelta(hours=1))
    with transaction.atomic():
        assert account_of(token) == row.handle
        assert worker.do(revoke, row.handle)
    assert account_of(token) is None


@pytest.mark.parametrize("rolled_back", [False, True])
def test_two_who_adopt_a_session_at_once_make_one_row(rolled_back, postgres, worker):
    Adoption.objects.update(sealed_before=timezone.now() + timedelta(hours=1))
    token = sealed(claims_of())
    with transaction.atomic():
        assert account_of(token)
        second = worker.begin(account_of, token)
        wait_until_blocked()
        transaction.set_rollback(rolled_back)
    assert second.result(PATIENCE) == SessionRecord.objects.get().handle


def test_two_changes_of_a_new_account_at_once_are_both_counted(postgres, worker):
    with transaction.atomic():
        account_changed("ada")
        second = worker.begin(revoke_account, "ada")
        wait_until_blocked()
    second.result(PATIENCE)
    state = AccountState.objects.get()
    assert (state.epoch, state.revoked_epoch) == (3, 3)


def test_a_log_in_while_all_sessions_are_ended_is_not_older_than_the_end(
    postgres, worker
):
    with transaction.atomic():
        revoke_account("ada")
        late = worker.do(logged_in, wsgi)
    assert ask(late) == "nobody"
    assert ask(late, log_in) == "in"
    assert ask(late) == "ada"


# Stopped


@contextmanager
def stopped(server: PostgresServer) -> Iterator[None]:
    """Stop a server as a fault does, and start it again at the end."""
    server.kill()
    try:
        yield
    finally:
        server.start()


def warm(server) -> Visitor:
    """Return a visitor whom the cache knows."""
    visitor = logged_in(server)
    assert ask(visitor) == "ada"
    return visitor


def refuses_to_write(visitor: Visitor) -> bool:
    """Tell whether whatever would have to be stored is a 503 that changes nothing."""
    return all(is_unavailable(visitor.ask(action)) for action in WRITING)


@each_server
def test_a_stopped_postgres_lets_nobody_in_or_out(server, stoppable, postgres, worker):
    known, other = warm(server), logged_in(server)
    token = token_of(known)
    assert worker.do(account_of, token)
    assert ask(known) == "ada"  # known again
    with stopped(stoppable):
        assert ask(known) == "ada"
        for visitor, action in [(other, who), (known, write)]:
            assert is_unavailable(visitor.ask(action))
        assert refuses_to_write(known)
        with pytest.raises(StoreUnavailable):
            worker.do(account_of, token)

    assert worker.do(account_of, token)
    thief = copy_of(known)
    assert ask(other) == "ada"
    assert ask(known, log_out) == "out"
    assert ask(thief) == "nobody"


def test_a_thread_gives_up_a_connection_that_broke(stoppable, postgres, worker):
    token = token_of(logged_in(wsgi))
    assert worker.do(account_of, token)
    with stopped(stoppable):
        pass
    with pytest.raises(StoreUnavailable):
        worker.do(account_of, token)
    assert worker.do(account_of, token)


def test_a_log_out_that_was_not_committed_is_not_claimed(stoppable, postgres):
    async def dying(on: Doing) -> str:
        with transaction.atomic():
            await on.logout()
            stoppable.kill()
        return "out"

    visitor = warm(wsgi)
    try:
        answer = visitor.ask(dying)
    finally:
        stoppable.start()
    assert answer.status >= 500
    assert not answer.set_cookies
    assert ask(visitor) == "ada"


# Locked


@each_server
def test_a_locked_postgres_is_503_after_its_timeout(server, postgres):
    known, other = warm(server), logged_in(server)
    with another_client(postgres) as client:
        client.execute(f"LOCK TABLE {SessionRecord._meta.db_table}")
        with database(with_options(postgres, "-c lock_timeout=20ms")):
            assert ask(known) == "ada"
            assert is_unavailable(other.ask(who))
            assert is_unavailable(known.ask(write))
            assert refuses_to_write(known)
            client.rollback()
            assert ask(other) == "ada"
            assert ask(known, log_out) == "out"


@each_server
def test_a_locked_row_keeps_nobody_waiting_who_reads(server, postgres, caplog):
    visitor = logged_in(server)
    SessionRecord.objects.update(last_seen=timezone.now() - timedelta(hours=1))
    with another_client(postgres) as client:
        client.execute(f"SELECT 1 FROM {SessionRecord._meta.db_table} FOR UPDATE")
        with database(with_options(postgres, "-c lock_timeout=20ms")):
            assert ask(visitor) == "ada"
    assert "could not be noted" not in caplog.text


# Read-only


async def who_in_a_transaction(on: Doing) -> str:
    with transaction.atomic():
        said = await who(on)
        assert AccountState.objects.count() == 0
    return said


READ_ONLY = "-c default_transaction_read_only=on"


@each_server
def test_a_postgres_that_only_reads_serves_and_refuses_to_write(server, postgres):
    visitor = logged_in(server)
    SessionRecord.objects.update(last_seen=timezone.now() - timedelta(hours=1))
    with database(with_options(postgres, READ_ONLY)):
        assert ask(visitor) == "ada"
        assert refuses_to_write(visitor)
        cache.clear()
        assert ask(visitor) == "ada"
    assert ask(visitor, log_out) == "out"


def test_a_note_that_fails_leaves_the_transaction_of_a_view_alone(postgres):
    visitor = logged_in(wsgi)
    SessionRecord.objects.update(last_seen=timezone.now() - timedelta(hours=1))
    with database(with_options(postgres, READ_ONLY)):
        assert ask(visitor, who_in_a_transaction) == "ada"
