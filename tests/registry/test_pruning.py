"""Rows of sessions that are too old to be opened go, and no others."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.contrib.sessions.management.commands import clearsessions
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_secure_session import (
    conf,
    create_session,
    decode_session,
    encode_session,
    registry,
)
from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.exceptions import BadToken
from django_secure_session.registry import pruning
from django_secure_session.registry.models import AccountState, SessionRecord
from tests.registry.site import rows
from tests.visits import site

pytestmark = pytest.mark.django_db

DAY = 86400
MILLION = 1_000_000


def session_of(account_id="ada", **data):
    return create_session({"_auth_user_id": account_id, **data})


def token_for(seconds, purpose="session") -> str:
    """Return a token of a new session that lives so long."""
    token = encode_session(
        {"_auth_user_id": "ada"}, purpose=purpose, max_age=timedelta(seconds=seconds)
    )
    assert is_young(token, purpose)
    return token


def is_young(token, purpose="session") -> bool:
    """Tell whether a token is one to open, as far as the token itself says."""
    store = SessionStore(token, purpose=purpose)
    try:
        store._open(token)
    except BadToken:
        return False
    return True


def make_rows(number: int, *, account_id: str = "ada", age: int = 0) -> None:
    """Make so many rows, two or more, that expired so many days ago."""
    template = SessionRecord.objects.get(pk=session_of(account_id).registration.handle)
    template.expires -= timedelta(days=age + 14 if age else 0)
    template.save()
    table = SessionRecord._meta.db_table
    columns = [field.column for field in SessionRecord._meta.concrete_fields]
    made = {
        "handle": "printf('%020x', n)",
        "digest": "printf('%064x', n)",
        "account_id": "r.account_id",
    }
    values = ", ".join(made.get(name, f"r.{name}") for name in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE c(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM c "
            f"WHERE n < %s) INSERT INTO {table} ({', '.join(columns)}) "
            f"SELECT {values} FROM c, {table} r WHERE r.handle = %s",
            [number, template.handle],
        )


@pytest.fixture(params=["sync", "async"])
def clear_expired(request):
    """Forget what has expired, either way."""
    if request.param == "sync":
        return SessionStore.clear_expired
    return async_to_sync(SessionStore.aclear_expired)


# What goes


def test_a_row_goes_when_no_token_of_it_is_young(clear_expired, clock):
    session_of()
    clock.tick(days=14)
    clear_expired()
    assert len(rows()) == 1
    clock.tick(minutes=19)  # the clocks of hosts may be apart
    clear_expired()
    assert len(rows()) == 1
    clock.tick(minutes=2)
    clear_expired()

    assert rows() == []


def test_nothing_that_can_still_be_opened_goes(clock):
    lives = [60, 3600, DAY, 14 * DAY, 20 * DAY, 29 * DAY]
    tokens = [token_for(seconds) for seconds in lives]
    tokens += [encode_session(session_of(_session_expiry=each)) for each in lives]
    seen = set()
    for step in (0, 59, 1, 3539, 60, DAY, 12 * DAY, DAY - 1, 1, 6 * DAY, 9 * DAY, DAY):
        clock.tick(step)
        SessionStore.clear_expired()
        for token in tokens:
            assert (decode_session(token) is not None) == is_young(token)
            seen.add(is_young(token))
    clock.tick(minutes=21)
    SessionStore.clear_expired()

    assert seen == {True, False}
    assert rows() == []


def test_nothing_goes_that_a_longer_life_could_open(clock, settings):
    token = session_of().session_key
    settings.SESSION_COOKIE_AGE = 3600
    clock.tick(days=1)
    SessionStore.clear_expired()
    settings.SESSION_COOKIE_AGE = 14 * DAY

    assert decode_session(token)["_auth_user_id"] == "ada"


def test_a_token_that_lives_longer_keeps_the_row(clock):
    session = session_of()
    token = encode_session(session, purpose="ws", max_age=timedelta(days=29))
    clock.tick(days=28)
    SessionStore.clear_expired()

    assert decode_session(session.session_key) is None
    assert decode_session(token, purpose="ws")["_auth_user_id"] == "ada"


def test_a_session_that_is_used_again_and_again_keeps_its_row(clock, settings):
    settings.SECURE_SESSION = site(ABSOLUTE_TIMEOUT=None)
    session = session_of()
    handle = session.registration.handle
    for _ in range(10):
        clock.tick(days=13)
        SessionStore.clear_expired()
        session = decode_session(session.session_key)
        session.save()

    assert session.registration.handle == handle


def test_a_session_that_ended_stays_until_its_tokens_are_old(clock):
    session = session_of()
    token = session.session_key
    session.flush()
    clock.tick(days=13)
    SessionStore.clear_expired()
    assert len(rows()) == 1
    clock.tick(days=2)
    SessionStore.clear_expired()

    assert rows() == []
    assert decode_session(token) is None


def test_pruning_revives_nothing_that_ended_with_its_account(clock):
    tokens = [session_of().session_key for _ in range(3)]
    registry.revoke_account("ada")
    for _ in range(30):
        clock.tick(days=1)
        SessionStore.clear_expired()
        assert [decode_session(token) for token in tokens] == [None] * 3

    assert rows() == []
    assert AccountState.objects.get().revoked_epoch == 2


def test_what_is_known_of_accounts_is_never_forgotten(clock):
    registry.account_changed("ada")
    clock.tick(days=1000)
    SessionStore.clear_expired()

    assert AccountState.objects.get().epoch == 2


def test_clearsessions_prunes(clock):
    session_of()
    clock.tick(days=15)
    call_command(clearsessions.Command())

    assert rows() == []


def test_pruning_tells_how_many_went(clock):
    for _ in range(3):
        session_of()
    assert conf.revoker().prune() == 0
    clock.tick(days=15)

    assert conf.revoker().prune() == 3


def test_a_site_with_naive_dates_prunes_alike(settings, monkeypatch):
    settings.USE_TZ = False
    SessionRecord.objects.all().delete()
    token = session_of().session_key
    SessionStore.clear_expired()
    assert decode_session(token) is not None
    SessionRecord.objects.update(expires="2020-01-01 00:00")
    SessionStore.clear_expired()

    assert rows() == []


# In batches


def test_rows_go_in_batches(clock, monkeypatch):
    make_rows(25, age=1)
    session = session_of("bob")
    with CaptureQueriesContext(connection) as captured:
        assert pruning.prune("default", batch=10) == 25

    deletes = [q["sql"] for q in captured if q["sql"].startswith("DELETE")]
    assert len(deletes) == 3
    assert decode_session(session.session_key)
    assert len(rows()) == 1


def test_batches_are_found_by_their_date_and_not_sorted(clock):
    make_rows(25, age=1)
    with CaptureQueriesContext(connection) as captured:
        conf.revoker().prune()
    plans = []
    for each in captured.captured_queries:
        if "sessionrecord" in each["sql"]:
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN QUERY PLAN {each['sql']}")
                plans.append(repr(cursor.fetchall()))

    assert len(plans) >= 2
    assert "secure_session_expires" in plans[0]
    assert not [plan for plan in plans if "TEMP B-TREE" in plan]
    assert not [plan for plan in plans if "adopted_digest=" in plan]


def test_revoke_account_writes_as_much_for_one_as_for_many(clock):
    counts = []
    for account_id, number in (("ada", 0), ("bob", 500)):
        if number:
            make_rows(number, account_id=account_id)
        with CaptureQueriesContext(connection) as captured:
            registry.revoke_account(account_id)
        counts.append(len(captured))
        assert list(registry.active_sessions(account_id)) == []

    assert counts[0] == counts[1]


def test_a_session_of_500_is_looked_up_with_one_query(django_assert_num_queries):
    make_rows(500)
    token = session_of().session_key
    with django_assert_num_queries(1):
        decode_session(token)


@pytest.fixture
def longest():
    """Note how long the longest statement takes, in seconds."""
    taken = [0.0]

    def timed(execute, *args):
        began = time.perf_counter()
        try:
            return execute(*args)
        finally:
            taken[0] = max(taken[0], time.perf_counter() - began)

    def during(function, *args):
        taken[0] = 0.0
        with connection.execute_wrapper(timed):
            function(*args)
        return taken[0]

    return during


@pytest.mark.heavy
def test_no_statement_about_a_million_rows_takes_a_second(longest):
    make_rows(MILLION)
    token = session_of().session_key
    assert longest(registry.revoke_account, "ada") < 1
    assert longest(decode_session, token) < 1
    SessionRecord.objects.update(expires="2020-01-01T00:00Z")
    kept = session_of("bob").session_key
    assert longest(SessionStore.clear_expired) < 1

    assert decode_session(kept)["_auth_user_id"] == "bob"
    assert SessionRecord.objects.count() == 1
