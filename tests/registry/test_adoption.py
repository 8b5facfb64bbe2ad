"""Sessions that are older than the registry: adopted once, and never a second time."""

from __future__ import annotations

import secrets

import pytest
from django.db import transaction

from django_secure_session import conf, decode_session, registry
from django_secure_session.accounts.claims import dump
from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.codec.metadata import Metadata
from django_secure_session.registry.models import Adoption, SessionRecord
from tests.accounts_site import BACKEND, BOB, Visitor, claims_of
from tests.registry.site import (
    GRACE,
    ask_registry,
    copied,
    handle_of,
    installed,
    living,
    log_in,
    name_of,
    row,
    rows,
    why,
)
from tests.registry.site import ada as ada
from tests.registry.site import people as people
from tests.registry.site import visitor as visitor

pytestmark = pytest.mark.django_db

DAY = 86400


def old_token(*, sid: bytes = b"", data=None, claims=None, lives=14 * DAY, at=0) -> str:
    """Return a token as it was sealed so many seconds from now, without a registry."""
    codec = conf.get_codec("default", "session")
    claims = dump(claims or claims_of()) if data is None else b""
    now = SessionStore()._next_metadata().issued + at
    metadata = Metadata(sid or secrets.token_bytes(16), now, now, now + lives)
    return codec.seal(metadata, codec.dump(data or {}), claims)


def user_data(user) -> dict[str, str]:
    """Return what Django writes at a log-in."""
    session_hash = user.get_session_auth_hash()
    return {
        "_auth_user_id": str(user.pk),
        "_auth_user_backend": BACKEND,
        "_auth_user_hash": session_hash,
    }


@pytest.fixture
def old(visitor, clock) -> Visitor:
    """A visitor whose session was sealed a second before the registry was there."""
    visitor.put(old_token())
    clock.tick(1)
    installed(clock)
    clock.tick(1)
    return visitor


async def log_out(on):
    await on.logout()


async def cycle(on):
    await on.session("cycle_key")


def test_a_session_from_before_is_adopted_once(old):
    assert name_of(old) == "ada"
    before = row()
    assert name_of(old) == "ada"

    assert row().handle == before.handle == old.do(handle_of)
    assert row().account_id == "ada"
    assert row().digest == row().adopted_digest


def test_a_session_from_before_that_is_listed_can_be_ended(old):
    name_of(old)
    (listed,) = registry.active_sessions("ada")
    assert registry.revoke(listed.handle)

    assert (name_of(old), why(old)) == (None, "revoked")


def test_an_adopted_session_has_no_device_that_was_never_seen(old):
    name_of(old)

    assert (row().ip, row().user_agent) == ("", "")


def test_a_copy_of_an_adopted_session_is_refused_after_the_log_out(old, clock):
    thief = copied(old)
    old.do(log_out)
    assert (name_of(thief), why(thief)) == (None, "revoked")
    clock.tick(days=13)
    SessionStore.clear_expired()

    assert (name_of(thief), why(thief)) == (None, "revoked")
    assert len(rows()) == 1


def test_a_log_out_adopts_to_end(old):
    old.do(log_out)

    assert row().revoked_at is not None


def test_an_adopted_session_that_ended_is_not_adopted_again_once_pruned(clock):
    sid = secrets.token_bytes(16)
    short, long = old_token(sid=sid, lives=3600), old_token(sid=sid, at=-5)
    clock.tick(1)
    installed(clock)
    decode_session(short).flush()
    clock.tick(days=1)
    SessionStore.clear_expired()

    assert decode_session(long) is None
    assert len(rows()) == 1


def test_the_first_sid_of_an_adopted_session_is_not_adopted_again(old, clock):
    thief = copied(old)
    for _ in range(2):
        old.do(cycle)
        clock.tick(2 * GRACE)

    assert (name_of(thief), name_of(old)) == (None, "ada")
    assert len(rows()) == 1


def test_two_tokens_of_one_session_are_adopted_as_one(clock):
    sid = secrets.token_bytes(16)
    tokens = [old_token(sid=sid, at=at) for at in (0, -60)]
    clock.tick(1)
    installed(clock)
    one, other = map(decode_session, tokens)

    assert one.registration.handle == other.registration.handle
    assert len(rows()) == 1


@pytest.mark.parametrize(("age", "adopted"), [(-1, True), (0, False), (1, False)])
def test_only_what_was_sealed_before_is_adopted(clock, age, adopted):
    installed(clock)
    token = old_token(at=age)
    clock.tick(5)

    assert (decode_session(token) is not None) == adopted
    assert len(rows()) == adopted


def test_a_session_sealed_after_it_by_a_host_that_was_late_is_refused(clock):
    installed(clock)
    clock.tick(hours=1)
    token = old_token()

    assert SessionStore(token).rejection == "revoked"


def test_the_moment_can_be_moved_for_hosts_that_were_late(clock):
    installed(clock)
    clock.tick(hours=1)
    token = old_token()
    clock.tick(1)
    installed(clock)

    assert decode_session(token) is not None


def test_without_the_row_of_the_migration_nothing_is_adopted(old):
    Adoption.objects.all().delete()

    assert (name_of(old), why(old)) == (None, "revoked")
    assert rows() == []


def test_the_migration_has_noted_one_moment():
    assert Adoption.objects.count() == 1
    assert str(Adoption.objects.get()).startswith("20")


@pytest.mark.parametrize(("days", "adopted"), [(399, True), (400, False)])
def test_after_400_days_nothing_is_adopted(settings, clock, days, adopted):
    settings.SESSION_COOKIE_AGE = 1000 * DAY
    settings.SECURE_SESSION = {**settings.SECURE_SESSION, "ABSOLUTE_TIMEOUT": None}
    token = old_token(lives=1000 * DAY)
    clock.tick(1)
    installed(clock)
    clock.tick(days=days)

    assert (decode_session(token) is not None) == adopted


def test_after_400_days_adopted_sessions_are_pruned_like_others(old, clock):
    name_of(old)
    clock.tick(days=399)
    SessionStore.clear_expired()
    assert len(rows()) == 1
    clock.tick(days=1)
    SessionStore.clear_expired()

    assert rows() == []


def test_what_ended_the_account_ends_its_sessions_from_before(old):
    registry.revoke_account("ada")

    assert (name_of(old), why(old)) == (None, "revoked")
    assert list(registry.active_sessions("ada")) == []


def test_what_ended_the_others_ends_those_from_before(old):
    other = Visitor(old.server)
    other.do(log_in)
    other.do(lambda on: ask_registry(on, "revoke_others", on.request))

    assert (name_of(old), name_of(other)) == (None, "ada")


def test_another_account_ends_no_session_from_before(old):
    registry.revoke_account("bob")

    assert name_of(old) == "ada"


def test_claims_from_before_are_read_again(old, people):
    people.known["ada"].role = "owner"

    assert old.who()["account"]["role"] == "owner"
    assert name_of(old) == "ada"


def test_a_session_of_django_without_claims_is_adopted(visitor, clock, ada):
    visitor.put(old_token(data=user_data(ada)))
    clock.tick(1)
    installed(clock)

    assert name_of(visitor) == "ada"
    assert len(rows()) == 1


def test_an_adopted_session_is_the_accounts_once_that_is_known(visitor, clock, ada):
    visitor.put(old_token(data=user_data(ada)))
    clock.tick(1)
    installed(clock)
    assert name_of(visitor) == "ada"
    visitor.do(lambda on: ask_registry(on, "revoke_others", on.request))

    assert name_of(visitor) == "ada"
    assert visitor.do(handle_of) in [
        each.handle for each in registry.active_sessions("ada")
    ]


def test_a_session_whose_account_gets_known_goes_by_the_epochs_of_that(
    visitor, clock, ada
):
    visitor.put(old_token(data=user_data(ada)))
    clock.tick(1)
    installed(clock)
    assert name_of(visitor) == name_of(visitor) == "ada"
    assert (row().account_id, row().epoch) == ("ada", 1)
    registry.revoke_account("ada")

    assert (name_of(visitor), why(visitor)) == (None, "revoked")


def test_what_ended_an_account_ends_older_sessions_that_turn_out_to_be_its(
    visitor, clock, ada
):
    registry.revoke_account("ada")
    visitor.put(old_token(data=user_data(ada)))
    clock.tick(1)
    installed(clock)
    assert name_of(visitor) == "ada"  # the provider says who that user is

    assert (name_of(visitor), why(visitor)) == (None, "revoked")


def test_anonymous_sessions_from_before_are_not_adopted(visitor, clock):
    visitor.put(old_token(data={"cart": 1}))
    clock.tick(1)
    installed(clock)

    assert name_of(visitor) is None
    assert rows() == []


def test_a_log_in_over_a_session_from_before_ends_that(old):
    thief = copied(old)

    async def as_bob(on):
        await on.login(BOB)

    old.do(as_bob)

    assert (name_of(old), name_of(thief)) == ("bob", None)
    assert [each.account_id for each in living()] == ["bob"]


@pytest.mark.django_db(transaction=True)
def test_an_adopted_session_is_asked_for_once(old, django_assert_num_queries):
    token = old.named("sessionid")[0].value
    decode_session(token)
    with django_assert_num_queries(0):
        decode_session(token)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("adopts", [True, False])
def test_a_log_out_counts_also_where_the_adoption_was_undone(clock, adopts):
    token = old_token()
    clock.tick(1)
    installed(clock)
    with transaction.atomic():
        session = decode_session(token)
        transaction.set_rollback(True)
    assert rows() == []
    if not adopts:
        Adoption.objects.all().delete()
    session.flush()

    assert decode_session(token) is None
    assert [each.revoked_at is not None for each in rows()] == [True] * adopts


def test_of_two_that_adopt_at_once_both_find_the_row(old, monkeypatch):
    token = old.named("sessionid")[0].value
    get_or_create = type(SessionRecord.objects.all()).get_or_create

    def late(self, **named):
        monkeypatch.undo()
        decode_session(token)
        return get_or_create(self, **named)

    monkeypatch.setattr(type(SessionRecord.objects.all()), "get_or_create", late)

    assert decode_session(token).registration.handle == row().handle
