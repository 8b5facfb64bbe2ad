"""What somebody with a copy of a cookie, or a view that fails, tries on the registry.

Here transactions are real: what is said on commit is said.
"""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache
from django.db import connection, transaction
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext

import django_secure_session
from django_secure_session import decode_session, registry
from django_secure_session.backends.encrypted_cookies import SessionStore
from tests.accounts_site import ADA, People, Visitor
from tests.http import wsgi
from tests.registry.site import ada as ada
from tests.registry.site import (
    ask_registry,
    copied,
    installed,
    log_in,
    name_of,
    row,
    rows,
    why,
)
from tests.registry.site import bob as bob
from tests.registry.site import people as people
from tests.registry.site import stack as stack
from tests.registry.site import visitor as visitor
from tests.registry.test_adoption import DAY, old_token, user_data

pytestmark = pytest.mark.django_db(transaction=True)

only_wsgi = pytest.mark.parametrize("visitor", [wsgi], ids=["wsgi"], indirect=True)
PAST_CACHES = 40  # seconds after which no entry is believed


async def log_out(on):
    await on.logout()


async def cycle(on):
    await on.session("cycle_key")


async def write(on):
    await on.set("x", 1)


def as_user(user):
    async def action(on):
        await on.log_in_django(user)

    return action


def token_for(purpose, **options):
    """Return a view that hands out a token of its session."""

    async def action(on):
        session = on.request.session
        make = on.call(
            django_secure_session, "encode_session", session, purpose=purpose, **options
        )
        return await make

    return action


# Adoptions that are undone


@pytest.fixture
def old(visitor, clock) -> Visitor:
    """A visitor whose session was sealed a second before the registry was there."""
    visitor.put(old_token())
    clock.tick(1)
    installed(clock)
    clock.tick(1)
    return visitor


@transaction.atomic
def failing(request):
    assert request.account.id == "ada"
    raise ValueError("a view that fails")


@only_wsgi
def test_a_log_out_after_a_rolled_back_adoption_ends_the_session(old, clock, stack):
    thief = copied(old)
    assert old.get(failing).status == 500
    assert rows() == []
    old.do(log_out)

    assert name_of(thief) is None
    clock.tick(PAST_CACHES)
    assert name_of(thief) is None


@only_wsgi
def test_a_log_out_in_the_request_that_rolled_its_adoption_back_ends_it(old, clock):
    thief = copied(old)

    async def act(on):
        with pytest.raises(ValueError, match="a view"):
            failing(on.request)
        await on.logout()

    old.do(act)

    assert name_of(thief) is None
    clock.tick(PAST_CACHES)
    assert name_of(thief) is None


# A user whose account has another id than its primary key


@pytest.fixture
def unclaimed(visitor, clock, ada) -> str:
    """A token from before registry and accounts: all that it has is the user's key."""
    token = old_token(data=user_data(ada))
    clock.tick(1)
    installed(clock)
    clock.tick(1)
    return token


def bringing(token: str, visitor: Visitor) -> Visitor:
    """Return another browser, at a visitor's server, that has a token."""
    another = Visitor(visitor.server)
    another.put(token)
    return another


def shows_user(request):
    return HttpResponse(str(request.user))


@only_wsgi
def test_revoke_account_ends_a_session_whose_row_has_the_users_key(
    visitor, unclaimed, ada
):
    thief = bringing(unclaimed, visitor)
    assert thief.get(shows_user).body == b"ada"
    assert row().account_id == str(ada.pk)
    registry.revoke_account("ada")
    assert name_of(thief) == "ada"  # the provider says who that user is

    assert (name_of(thief), why(thief)) == (None, "revoked")


def test_a_write_with_the_first_token_takes_no_row_from_its_account(
    visitor, unclaimed, clock
):
    visitor.put(unclaimed)
    assert name_of(visitor) == "ada"
    clock.tick(PAST_CACHES)
    thief = bringing(unclaimed, visitor)
    thief.do(write)
    assert row().account_id == "ada"
    registry.revoke_account("ada")

    assert (name_of(visitor), name_of(thief)) == (None, None)


def test_what_a_cache_said_by_the_users_key_is_not_believed_after_revoke_account(
    visitor, unclaimed
):
    visitor.put(unclaimed)
    assert name_of(visitor) == "ada"
    registry.revoke_account("ada")

    assert name_of(bringing(unclaimed, visitor)) is None


def known_while_there(self, user, org_id):
    """Answer from what is deleted with the user, such as a profile."""
    is_there = get_user_model().objects.filter(pk=user.pk).exists()
    return People.get_account(self, user.get_username(), org_id) if is_there else None


def test_a_deleted_users_sessions_end_by_the_id_that_the_provider_still_knew(
    visitor, ada, monkeypatch
):
    monkeypatch.setattr(People, "account_for_user", known_while_there)
    visitor.do(as_user(ada))
    assert row().account_id == "ada" != str(ada.pk)
    ada.delete()

    assert why(visitor) == "revoked"


# Tokens beside the cookie


def test_a_request_in_grace_is_given_no_token(visitor):
    visitor.do(log_in)
    late = copied(visitor)
    visitor.do(cycle)
    assert name_of(late) == "ada"

    assert late.ask(token_for("ws")).status == 400


def test_a_write_that_a_late_cache_misleads_keeps_the_row_of_a_longer_token(
    visitor, clock
):
    visitor.do(log_in)
    clock.tick(minutes=20)
    assert name_of(visitor) == "ada"  # a cache has the first expiry from here on
    token = visitor.do(token_for("app", max_age=25 * DAY))
    before = row().expires
    clock.tick(5)
    visitor.do(write)
    assert row().expires == before
    clock.tick(days=15)
    SessionStore.clear_expired()

    assert decode_session(token, purpose="app") is not None


# What has ended costs one look, and says so to all


@only_wsgi
def test_an_ended_session_is_looked_up_once_also_where_views_are_transactions(
    visitor, clock
):
    visitor.do(log_in)
    thief = copied(visitor)
    visitor.do(log_out)
    cache.clear()
    view = transaction.atomic(lambda request: HttpResponse(str(request.account)))
    with CaptureQueriesContext(connection) as asked:
        for _ in range(5):
            assert thief.get(view).body == b"None"

    assert sum("secure_session_registry" in each["sql"] for each in asked) == 1


def test_ends_that_the_cache_did_not_take_are_said_later(visitor, monkeypatch):
    visitor.do(log_in)
    assert name_of(visitor) == "ada"
    thief = copied(visitor)
    with monkeypatch.context() as patched:
        # As memcached's clients tell of a failure.
        patched.setattr(LocMemCache, "set_many", lambda self, data, *_, **__: [*data])
        visitor.do(log_out)

    assert name_of(thief) is None


# Log-ins in requests that end sessions


@only_wsgi
def test_whoever_logs_in_after_the_reload_of_an_ended_session_is_logged_in(visitor):
    visitor.do(log_in)

    async def act(on):
        await on.set("x", 1)
        registry.revoke_account("ada")
        on.request.session.reload()
        await on.login(ADA)

    visitor.do(act)

    assert name_of(visitor) == "ada"


def test_revoke_others_spares_the_log_in_of_its_request_over_another_account(
    visitor, bob
):
    visitor.do(log_in)

    async def act(on):
        assert (await on.who())["account"]["id"] == "ada"
        await on.log_in_django(bob)
        await ask_registry(on, "revoke_others", on.request)

    visitor.do(act)

    assert name_of(visitor) == "bob"
