"""What the cache says of sessions, what is believed of it, and for how long."""

from __future__ import annotations

import itertools
import time
from types import SimpleNamespace

import pytest
from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache
from django.db import transaction

from django_secure_session import create_session, decode_session, registry
from django_secure_session.registry import cached, shared_cache
from django_secure_session.registry.models import AccountState, SessionRecord
from django_secure_session.registry.records import digest_of
from tests.registry.site import asking, row, state
from tests.registry.site import cache_calls as cache_calls
from tests.visits import site

pytestmark = pytest.mark.django_db

STALENESS = 30  # seconds, the default


@pytest.fixture
def calls(cache_calls, clock) -> list[str]:
    """List what the cache is asked for while time stands still."""
    clock.tick(0)  # from here on a float, as real clocks have
    return cache_calls


def session_of(account_id="ada"):
    return create_session({"_auth_user_id": account_id})


def keys_of(session, account_id="ada") -> tuple[str, str]:
    """Return the names of the entries that say something of a session."""
    hashed = cached._hashed(account_id)
    digest = digest_of(session.registration.sid)
    return cached._session_key(digest), cached._account_key(hashed)


def opens(session) -> bool:
    """Tell whether another request can open a session."""
    return decode_session(session.session_key) is not None


def end_unheard() -> None:
    """End all sessions, with nobody told."""
    SessionRecord.objects.update(revoked_at="2027-01-01T00:00Z")


# What is asked


def test_a_session_is_looked_up_once(calls):
    session = session_of()
    with asking(calls) as cold:
        assert opens(session)
    with asking(calls) as warm:
        assert opens(session)

    assert (cold.queries, cold.operations) == (1, ["get_many", "add", "add"])
    assert (warm.queries, warm.operations) == (0, ["get_many"])


def test_what_the_cache_says_is_believed_for_its_time(calls, clock):
    session = session_of()
    assert opens(session)
    end_unheard()
    clock.tick(STALENESS - 1)
    assert opens(session)
    clock.tick(1)

    assert not opens(session)


def test_the_bound_is_counted_from_when_the_database_was_asked(calls, clock, settings):
    session = session_of()
    assert opens(session)
    clock.tick(STALENESS - 1)
    settings.SECURE_SESSION = site(REVOCATION_MAX_STALENESS=10)
    with asking(calls) as asked:
        assert opens(session)

    assert asked.queries == 1


def test_a_staleness_of_zero_uses_no_cache(calls, settings):
    settings.SECURE_SESSION = site(REVOCATION_MAX_STALENESS=0)
    session = session_of()
    with asking(calls) as asked:
        assert opens(session)
        assert opens(session)
        session.cycle_key()
        registry.account_changed("ada")
        session.flush()

    assert not opens(session)
    assert asked.operations == []


def test_a_cache_of_its_own_is_used(calls, settings, tmp_path):
    other = {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": str(tmp_path),
    }
    settings.CACHES = {**settings.CACHES, "registry": other}
    settings.SECURE_SESSION = site(REVOCATION_CACHE_ALIAS="registry")
    session = session_of()
    with asking(calls) as asked:
        assert opens(session)
        assert opens(session)

    assert (asked.queries, asked.operations) == (1, [])


def test_accounts_with_any_name_have_an_entry(calls):
    for name in ("ada lovelace", "é" * 255, "\n", "'", "a" * 255, "\ud800"):
        key = cached._account_key(cached._hashed(name))
        assert key.isascii()
        assert len(key) < 250
        assert " " not in key
    session = session_of("ada lovelace\n")
    opens(session)
    with asking(calls) as asked:
        assert opens(session)

    assert asked.queries == 0


# What is not believed


class Strange:
    """Something that no entry is, also after a cache has kept it."""

    def __eq__(self, other):
        return NotImplemented

    __hash__ = None


GARBAGE = [
    *((1.8e9, 1, 2**40, "x", "y"), (1.8e9, 1, 0, "x"), [1.8e9] * 4, [1.8e9] * 5),
    *((float("nan"), 1, 2**40, "x", "y"), (float("inf"), 1, 0, "x"), ("a",) * 4),
    *(None, 0, 1, 1.5, float("nan"), True, b"", b"ended", "", " ", "  ", "Ended", "x"),
    *("ended ", "ask", [], ["ended"], {}, {"ended": 1}, (), ("ended",), set(), "é"),
    *("\0", "1 2", "1 2 3 4", "1 2 3 4 5", "nan 1 1 x y", "inf 1 1 x y", "9" * 5000),
    *("-1 -1 -1 x y", "a b c d e", "1e999 1 1 x y", "1 1 1", object, Strange()),
]


@pytest.mark.parametrize("place", [0, 1])
def test_garbage_in_the_cache_means_to_ask(calls, place):
    session = session_of()
    handle = session.registration.handle
    for said in GARBAGE:
        cache.clear()
        assert opens(session)
        cache.set(keys_of(session)[place], said)
        with asking(calls) as asked:
            assert decode_session(session.session_key).registration.handle == handle
        assert asked.queries == 1, said


@pytest.mark.parametrize("place", [0, 1])
def test_garbage_in_the_cache_lets_nobody_in(calls, place):
    session = session_of()
    for said in GARBAGE:
        SessionRecord.objects.update(revoked_at=None)
        cache.clear()
        assert opens(session)
        cache.set(keys_of(session)[place], said)
        end_unheard()
        assert not opens(session), said


def test_an_entry_with_a_part_of_another_type_is_not_believed(calls):
    session = session_of()
    opens(session)
    for key in keys_of(session):
        parts = cache.get(key)
        for place, wrong in itertools.product(
            range(len(parts)), [None, b"1", [], True]
        ):
            cache.set(key, [*parts[:place], wrong, *parts[place + 1 :]])
            with asking(calls) as asked:
                assert opens(session)
            assert asked.queries == 1
        cache.set(key, parts)


def test_an_entry_is_believed_as_any_cache_brings_it(calls):
    session = session_of()
    opens(session)
    for key in keys_of(session):
        cache.set(key, list(cache.get(key)))
    with asking(calls) as asked:
        assert opens(session)

    assert asked.queries == 0


def test_the_entry_of_another_session_is_not_believed(calls):
    session, other = session_of(), session_of("bob")
    opens(session), opens(other)
    for key, foreign in zip(keys_of(session), keys_of(other, "bob"), strict=True):
        said = cache.get(key)
        cache.set(key, cache.get(foreign))
        with asking(calls) as asked:
            assert opens(session)
        assert asked.queries == 1
        cache.set(key, said)


@pytest.mark.parametrize("seconds", [-STALENESS, -400 * 86400, 2, 3600])
@pytest.mark.parametrize("place", [0, 1])
def test_entries_of_another_time_are_not_believed(calls, clock, seconds, place):
    session = session_of()
    opens(session)
    key = keys_of(session)[place]
    _, *rest = cache.get(key)
    cache.set(key, [clock.now + seconds, *rest])
    end_unheard()

    assert not opens(session)


def test_clocks_may_be_a_second_apart(calls, clock):
    session = session_of()
    clock.tick(1)
    opens(session)
    clock.tick(-1)
    with asking(calls) as asked:
        assert opens(session)

    assert asked.queries == 0


def test_a_cache_that_answers_with_no_dict_is_asked_in_vain(calls, monkeypatch):
    session = session_of()
    backend = type(cache._connections["default"])
    for answer in (None, [], "ended"):
        monkeypatch.setattr(backend, "get_many", lambda *_, found=answer: found)
        with asking(calls) as asked:
            assert opens(session)
        assert asked.queries == 1


# Who has the last word


def test_whoever_has_read_before_it_ended_does_not_fill_the_cache(calls):
    session = session_of()
    found = SessionRecord.objects.get()
    registry.revoke(found.handle)
    cached.add(found, time.time())

    assert not opens(session)


def test_a_doubt_stays_for_longer_than_anybody_can_have_read_before(calls, clock):
    session = session_of()
    registry.account_changed("ada")
    for seconds, queries in ((0, 1), (STALENESS, 1), (1, 1), (1, 1), (0, 0)):
        clock.tick(seconds)
        with asking(calls) as asked:
            assert opens(session)
        assert asked.queries == queries


def test_a_doubt_about_an_account_is_not_about_others(calls):
    session = session_of()
    opens(session)
    registry.revoke_account("bob")
    with asking(calls) as asked:
        assert opens(session)

    assert asked.queries == 0


def test_an_epoch_that_ended_counts_for_entries_from_before(calls):
    session = session_of()
    opens(session)
    AccountState.objects.create(pk="ada", epoch=2, revoked_epoch=2)
    cache.delete(keys_of(session)[1])

    assert not opens(session)


def test_what_a_later_session_has_asked_counts_for_entries_from_before(calls):
    session = session_of()
    opens(session)
    AccountState.objects.create(pk="ada", epoch=2, revoked_epoch=2)
    cache.delete(keys_of(session)[1])
    assert opens(session_of())

    assert not opens(session)


def test_an_entry_that_was_evicted_is_asked_for_again(calls):
    session = session_of()
    for key in keys_of(session):
        opens(session)
        cache.delete(key)
        with asking(calls) as asked:
            assert opens(session)
        assert asked.queries == 1


# Transactions


@pytest.mark.django_db(transaction=True)
def test_an_end_is_known_without_a_query(calls, clock):
    session = session_of()
    opens(session)
    decode_session(session.session_key).flush()
    for _ in range(2):
        with asking(calls) as asked:
            assert not opens(session)
        assert (asked.queries, asked.operations) == (0, ["get_many"])
    clock.tick(cached.ENDED_FOR + 1)
    with asking(calls) as asked:
        assert not opens(session)
    assert (asked.queries, asked.operations) == (1, ["get_many", "set_many"])
    clock.tick(cached.ENDED_FOR - 1)
    with asking(calls) as asked:
        assert not opens(session)

    assert asked.queries == 0


@pytest.mark.django_db(transaction=True)
def test_an_end_is_said_for_longer_than_others_are_believed(calls, clock, settings):
    settings.SECURE_SESSION = site(REVOCATION_MAX_STALENESS=2 * cached.ENDED_FOR)
    session = session_of()
    found = SessionRecord.objects.get()
    read_at = time.time()
    decode_session(session.session_key).flush()
    clock.tick(2 * cached.ENDED_FOR)
    cached.add(found, read_at)

    assert not opens(session)


@pytest.mark.django_db(transaction=True)
def test_an_end_within_a_transaction_counts_when_it_is_committed(calls):
    session = session_of()
    opens(session)
    with transaction.atomic():
        decode_session(session.session_key).flush()
        assert cache.get(keys_of(session)[0]) == cached.ASK
        assert not opens(session)
        assert cache.get(keys_of(session)[0]) == cached.ASK

    assert cache.get(keys_of(session)[0]) == cached.ENDED
    assert not opens(session)


@pytest.mark.django_db(transaction=True)
def test_an_end_within_a_transaction_that_fails_is_none(calls):
    session = session_of()
    for end in (
        decode_session(session.session_key).flush,
        lambda: registry.revoke_account("ada"),
        lambda: registry.revoke(row().handle),
    ):
        with transaction.atomic():
            end()
            assert not opens(session)
            transaction.set_rollback(True)
        assert opens(session)


@pytest.mark.django_db(transaction=True)
def test_a_sid_that_was_given_up_costs_no_query_once_it_is_dead(calls, clock):
    session = session_of()
    old = SimpleNamespace(session_key=session.session_key)
    session.cycle_key()
    clock.tick(10)
    for queries in (1, 0):
        with asking(calls) as asked:
            assert not opens(old)
        assert asked.queries == queries


def test_a_sid_in_its_grace_is_not_kept(calls, clock):
    session = session_of()
    old = SimpleNamespace(session_key=session.session_key)
    opens(session)
    session.cycle_key()
    assert opens(old)
    clock.tick(10)

    assert not opens(old)
    assert opens(session)


def test_what_is_said_of_an_account_counts_for_all_its_sessions(calls):
    sessions = [session_of() for _ in range(3)]
    for each in sessions:
        opens(each)
    registry.revoke_account("ada")

    assert [opens(each) for each in sessions] == [False] * 3
    assert state() == (2, 2)


def test_no_more_waits_to_be_said_than_there_is_room_for(monkeypatch):
    def fail(*arguments):
        raise ConnectionError("it is away")

    monkeypatch.setattr(shared_cache, "MAX_UNSAID", 2)
    with monkeypatch.context() as away:
        away.setattr(LocMemCache, "set_many", fail)
        cached.end(["a", "b"])
        cached.end(["c"])
    cached.shared._rests_until = 0.0
    cached.end(["d"])

    said = [cache.get(f"secure_session.sid.{name}") for name in "abcd"]
    assert said == [cached.ENDED, cached.ENDED, None, cached.ENDED]
