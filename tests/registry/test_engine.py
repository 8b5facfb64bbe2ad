"""What becomes of a session's row, and of a copy of its cookie, with all it can do."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core import checks
from django.core.exceptions import ImproperlyConfigured, SynchronousOnlyOperation
from django.dispatch import Signal
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils.crypto import get_random_string

import django_secure_session
from django_secure_session import (
    SessionTooLarge,
    adecode_session,
    authorized,
    conf,
    create_session,
    decode_session,
    encode_session,
    registry,
)
from django_secure_session.accounts.epochs import aepoch_of, epoch_of
from django_secure_session.api_keys.models import ApiKey
from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.middleware import SecureSessionMiddleware
from django_secure_session.registry import models
from django_secure_session.registry.models import AccountState
from django_secure_session.registry.records import digest_of
from tests.accounts_site import (
    ADA,
    Visitor,
)
from tests.http import asgi, wsgi
from tests.registry.site import (
    GRACE,
    STACKS,
    ask_registry,
    asking,
    copied,
    handle_of,
    living,
    log_in,
    log_in_bob,
    name_of,
    no_database,
    row,
    rows,
    signed_in,
    why,
)
from tests.registry.site import ada as ada
from tests.registry.site import bob as bob
from tests.registry.site import cache_calls as cache_calls
from tests.registry.site import people as people
from tests.registry.site import stack as stack
from tests.registry.site import visitor as visitor
from tests.spilling import act as act
from tests.visits import NAME, cookie, site

pytestmark = pytest.mark.django_db

everywhere = pytest.mark.parametrize(
    ("visitor", "stack"),
    [(wsgi, "ours"), (asgi, "ours"), (wsgi, "stock")],
    ids=["wsgi-ours", "asgi-ours", "wsgi-stock"],
    indirect=True,
)
DJANGO_KEYS = ["_auth_user_id", "_auth_user_backend", "_auth_user_hash"]


def on_session(name, *args, **kwargs):
    """Return what a view does that calls a method of its session."""

    async def action(on):
        await on.session(name, *args, **kwargs)

    return action


async def write(on):
    await on.set("cart", 1)


async def clear(on):
    await on.session("sid")  # from here on it is loaded
    on.request.session.clear()


async def create(on):
    await on.session("sid")
    await on.session("create")


async def log_out(on):
    await on.logout()


async def switch_org(on):
    await on.switch_org("acme")


async def reauthenticate(on):
    await on.reauthenticate()


async def django_log_out(on):
    await on.django("logout")


async def change_password(on):
    await on.change_password("new")


def as_user(user):
    async def action(on):
        await on.log_in_django(user)

    return action


def signed_in_as(visitor, user) -> Visitor:
    return signed_in(visitor, as_user(user))


def ended(token) -> bool:
    return decode_session(token) is None


def cookie_of(visitor) -> str:
    (stored,) = visitor.named(NAME)
    return stored.value


# Log in


@everywhere
def test_a_log_in_makes_one_row(visitor, stack):
    visitor.do(log_in)

    assert row().account_id == "ada"
    assert visitor.do(handle_of) == row().handle


@everywhere
def test_a_log_in_with_django_makes_one_row(visitor, stack, ada):
    visitor.do(as_user(ada))

    assert row().account_id == "ada"
    assert name_of(visitor) == "ada"


@everywhere
def test_a_log_in_without_claims_is_the_rows_of_the_users_id(
    visitor, stack, ada, people
):
    people.known.clear()
    visitor.do(as_user(ada))

    assert row().account_id == str(ada.pk)
    assert visitor.session["_auth_user_id"] == str(ada.pk)


@everywhere
def test_whoever_logs_in_on_two_devices_has_two_rows(visitor, stack):
    visitor.do(log_in)
    signed_in(visitor)

    assert len({each.handle for each in rows()}) == 2


@everywhere
def test_an_anonymous_session_has_no_row_before_its_log_in(visitor, stack):
    visitor.do(write)
    assert rows() == []
    visitor.do(log_in)

    assert name_of(visitor) == "ada"
    assert len(rows()) == 1


@everywhere
def test_a_copy_of_the_cookie_from_before_the_log_in_stays_anonymous(visitor, stack):
    visitor.do(write)
    thief = copied(visitor)
    visitor.do(log_in)

    assert name_of(thief) is None
    assert thief.do(lambda on: on.session("data")) == {"cart": 1}


def test_force_login_makes_a_row_and_the_clients_logout_ends_it(client, ada):
    client.force_login(ada)
    token = client.cookies[NAME].value
    assert row().revoked_at is None
    client.logout()

    assert row().revoked_at is not None
    assert ended(token)


# What goes on under another sid

MOVING = {
    "cycle_key": on_session("cycle_key"),
    "create": create,
    "log in again": log_in,
    "reauthenticate": reauthenticate,
    "switch_org": switch_org,
}


@everywhere
def test_a_new_sid_keeps_the_row(visitor, stack, clock):
    for action in MOVING.values():
        visitor.do(log_in)
        before = living()[-1]
        visitor.do(action)

        (after,) = living()
        assert after.handle == before.handle
        assert after.previous_digest == before.digest != after.digest
        assert name_of(visitor) == "ada"
        visitor.do(log_out)


@everywhere
def test_a_copy_with_the_old_sid_is_good_for_ten_seconds(visitor, stack, clock):
    visitor.do(log_in)
    for action in MOVING.values():
        thief = copied(visitor)
        visitor.do(action)
        clock.tick(GRACE - 1)
        assert name_of(thief) == "ada"
        clock.tick(1)
        assert (name_of(thief), why(thief)) == (None, "revoked")
        assert name_of(visitor) == "ada"


@everywhere
def test_the_old_sid_is_no_more_good_after_the_log_out(visitor, stack):
    visitor.do(log_in)
    thief = copied(visitor)
    visitor.do(on_session("cycle_key"))
    assert name_of(thief) == "ada"
    visitor.do(log_out)

    assert name_of(thief) is None


@everywhere
def test_the_sid_before_the_old_one_is_good_no_more(visitor, stack):
    visitor.do(log_in)
    thief = copied(visitor)
    visitor.do(on_session("cycle_key"))
    visitor.do(on_session("cycle_key"))

    assert name_of(thief) is None


def test_an_old_sid_is_good_for_the_same_account_only(clock):
    session = create_session({"_auth_user_id": "7"})
    old = digest_of(session._sid)
    session.cycle_key()
    found = row()

    assert found.opens(old, "7", clock.datetime())
    assert not found.opens(old, "8", clock.datetime())


def test_what_an_old_sid_writes_is_not_sent(visitor):
    visitor.do(log_in)
    late = copied(visitor)
    visitor.do(on_session("cycle_key"))
    answer = late.ask(write)

    assert answer.status == 200
    assert cookie(answer) is None


def test_what_an_old_sid_writes_is_refused_under_the_stock_middleware(
    visitor, settings
):
    settings.MIDDLEWARE = STACKS["stock"]
    visitor.do(log_in)
    late = copied(visitor)
    visitor.do(on_session("cycle_key"))
    answer = late.ask(write)

    assert answer.status == 400
    assert cookie(answer) is None


def test_an_old_sid_gets_no_other_one(visitor):
    visitor.do(log_in)
    late = copied(visitor)
    visitor.do(on_session("cycle_key"))
    before = row().digest
    for action in MOVING.values():
        late.do(action)
        assert late.cookies != visitor.cookies
        assert row().digest == before


@everywhere
def test_a_password_change_keeps_the_row_and_gives_it_another_sid(visitor, stack, ada):
    visitor.do(as_user(ada))
    before = row()
    visitor.do(change_password)

    assert row().handle == before.handle
    assert row().digest != before.digest
    assert name_of(visitor) == "ada"


@everywhere
def test_a_user_who_logs_in_again_keeps_the_row(visitor, stack, ada):
    visitor.do(as_user(ada))
    before = row()
    visitor.do(as_user(ada))

    assert row().handle == before.handle
    assert row().digest != before.digest


@everywhere
def test_regenerate_that_keeps_the_log_in_keeps_the_row(visitor, stack, ada):
    visitor.do(as_user(ada))
    before = row()
    visitor.do(on_session("regenerate", keep=DJANGO_KEYS))

    assert row().handle == before.handle
    assert row().digest != before.digest
    assert name_of(visitor) == "ada"


@everywhere
def test_a_write_keeps_row_and_sid(visitor, stack):
    visitor.do(log_in)
    before = row()
    visitor.do(write)
    visitor.do(on_session("touch"))

    assert row().digest == before.digest
    assert row().cycled_at is None


@everywhere
def test_a_log_in_that_is_cycled_in_the_same_request_makes_one_row(visitor, stack):
    async def action(on):
        await on.login(ADA)
        await on.session("cycle_key")
        await on.session("cycle_key")

    visitor.do(action)

    assert row().account_id == "ada"
    assert name_of(visitor) == "ada"


# What ends

ENDING = {
    "log out": log_out,
    "log out of django": django_log_out,
    "flush": on_session("flush"),
    "delete": on_session("delete"),
    "clear": clear,
    "regenerate": on_session("regenerate"),
    "log in as another": log_in_bob,
}


@everywhere
@pytest.mark.parametrize("action", ENDING.values(), ids=ENDING)
def test_what_ends_a_log_in_ends_every_copy(visitor, stack, action):
    visitor.do(log_in)
    handle, thief = row().handle, copied(visitor)
    visitor.do(action)

    assert name_of(visitor) in (None, "bob")
    assert (name_of(thief), why(thief)) == (None, "revoked")
    assert [each.handle for each in rows() if each.revoked_at] == [handle]


@pytest.mark.parametrize("action", ENDING.values(), ids=ENDING)
def test_what_ends_a_users_log_in_ends_every_copy(visitor, ada, action):
    visitor.do(as_user(ada))
    handle, thief = row().handle, copied(visitor)
    visitor.do(action)

    assert name_of(visitor) in (None, "bob")
    assert (name_of(thief), why(thief)) == (None, "revoked")
    assert [each.handle for each in rows() if each.revoked_at] == [handle]


@everywhere
def test_a_log_in_as_another_is_a_row_of_its_own(visitor, stack):
    visitor.do(log_in)
    visitor.do(log_in_bob)

    assert [each.account_id for each in living()] == ["bob"]
    assert sorted(each.account_id for each in rows()) == ["ada", "bob"]


@everywhere
def test_a_log_in_as_another_user_is_a_row_of_its_own(visitor, stack, ada, bob):
    visitor.do(as_user(ada))
    thief = copied(visitor)
    visitor.do(as_user(bob))

    assert [each.account_id for each in living()] == ["bob"]
    assert sorted(each.account_id for each in rows()) == ["ada", "bob"]
    assert (name_of(visitor), name_of(thief)) == ("bob", None)


@everywhere
def test_a_user_who_logs_in_over_an_account_has_a_row_of_its_own(visitor, stack, bob):
    visitor.do(log_in)
    thief = copied(visitor)
    visitor.do(as_user(bob))

    assert [each.account_id for each in living()] == ["bob"]
    if stack == "ours":  # under Django's it has gone on under its new sid before
        assert sorted(each.account_id for each in rows()) == ["ada", "bob"]
    assert (name_of(visitor), name_of(thief)) == ("bob", None)


def test_what_ended_an_account_before_does_not_count_for_another_one(visitor, bob):
    for _ in range(3):
        registry.revoke_account("bob")
    visitor.do(log_in)
    visitor.do(as_user(bob))

    assert name_of(visitor) == "bob"


def test_a_session_that_went_to_another_account_ends_with_that(visitor, bob):
    for _ in range(3):
        registry.revoke_account("ada")
    visitor.do(log_in)
    visitor.do(as_user(bob))
    registry.revoke_account("bob")

    assert name_of(visitor) is None


@everywhere
def test_whoever_logs_in_after_the_log_out_in_one_request_has_a_new_row(visitor, stack):
    visitor.do(log_in)
    thief = copied(visitor)

    async def again(on):
        await on.logout()
        await on.login(ADA)

    visitor.do(again)

    assert len(rows()) == 2
    assert (name_of(visitor), name_of(thief)) == ("ada", None)


@everywhere
def test_the_session_of_a_token_can_be_ended_by_another(visitor, stack):
    visitor.do(log_in)
    other = signed_in(visitor)
    visitor.do(on_session("delete", cookie_of(other)))

    assert (name_of(visitor), name_of(other)) == ("ada", None)
    assert len(living()) == 1


@everywhere
def test_what_is_no_token_ends_nothing(visitor, stack):
    visitor.do(log_in)
    for text in ("", "x" * 128, create_session({}).session_key):
        visitor.do(on_session("delete", text))

    assert name_of(visitor) == "ada"
    assert len(living()) == 1


@everywhere
def test_a_session_can_be_ended_twice(visitor, stack):
    visitor.do(log_in)
    other = signed_in(visitor)
    for _ in range(2):
        visitor.do(on_session("delete", cookie_of(other)))

    assert name_of(visitor) == "ada"
    assert len(living()) == 1


@everywhere
def test_a_session_that_was_cycled_meanwhile_ends_with_its_old_token(visitor, stack):
    visitor.do(log_in)
    other = signed_in(visitor)
    token = cookie_of(other)
    other.do(on_session("cycle_key"))
    visitor.do(on_session("delete", token))

    assert (name_of(visitor), name_of(other)) == ("ada", None)


# Tokens outside of requests


def test_a_token_of_a_session_that_has_ended_is_opened_nowhere(act):
    session = create_session({"_auth_user_id": "7"})
    token = session.session_key
    assert act(SessionStore(), "exists", token)
    assert act(django_secure_session, "decode_session", token)["_auth_user_id"] == "7"
    registry.revoke_account("7")

    assert not act(SessionStore(), "exists", token)
    assert act(django_secure_session, "decode_session", token) is None
    assert act(SessionStore(token), "rejection") == "revoked"


def test_what_one_object_flushes_no_other_one_opens(act):
    token = create_session({"_auth_user_id": "7"}).session_key
    act(SessionStore(token), "flush")

    assert not act(SessionStore(), "exists", token)


def test_a_token_of_another_purpose_dies_with_its_session(visitor, act):
    async def hand_out(on):
        session = on.request.session
        return await on.call(
            django_secure_session, "encode_session", session, purpose="ws"
        )

    visitor.do(log_in)
    token = visitor.do(hand_out)
    opened = act(django_secure_session, "decode_session", token, purpose="ws")
    assert opened.registration.handle == row().handle
    visitor.do(log_out)

    assert act(django_secure_session, "decode_session", token, purpose="ws") is None


def test_a_token_of_a_log_in_is_good_at_once(visitor):
    async def action(on):
        await on.login(ADA)
        session = on.request.session
        return await on.call(
            django_secure_session, "encode_session", session, purpose="ws"
        )

    token = visitor.do(action)

    assert decode_session(token, purpose="ws").registration.handle == row().handle
    assert name_of(visitor) == "ada"


def test_a_token_made_of_a_dict_with_a_log_in_has_a_row(act):
    token = act(
        django_secure_session, "encode_session", {"_auth_user_id": "7"}, purpose="ws"
    )
    assert decode_session(token, purpose="ws")["_auth_user_id"] == "7"
    assert registry.revoke(row().handle)

    assert decode_session(token, purpose="ws") is None


def test_a_token_that_lives_longer_than_its_session_is_remembered(act, clock):
    session = create_session({"_auth_user_id": "7"})
    token = act(session, "seal", purpose="ws", max_age=29 * 86400)
    clock.tick(days=28)
    SessionStore.clear_expired()

    assert decode_session(token, purpose="ws")["_auth_user_id"] == "7"


def test_a_token_of_nobody_has_no_row(act):
    token = act(django_secure_session, "encode_session", {"a": 1}, purpose="ws")

    assert decode_session(token, purpose="ws").data() == {"a": 1}
    assert rows() == []


def test_a_token_that_ended_makes_no_other_token(act):
    session = create_session({"_auth_user_id": "7"})
    late = decode_session(session.session_key)
    late.data()
    session.flush()

    with pytest.raises(SessionInterrupted):
        act(late, "seal", purpose="ws")
    with pytest.raises(UpdateError):
        act(late, "save")


def test_a_view_that_hands_out_a_token_and_fails_logs_nobody_out(visitor, clock):
    async def action(on):
        await on.session("cycle_key")
        session = on.request.session
        await on.call(django_secure_session, "encode_session", session, purpose="ws")
        return HttpResponse(status=500)

    visitor.do(log_in)
    visitor.ask(action)
    clock.tick(2 * GRACE)

    assert name_of(visitor) == "ada"


def test_encode_and_decode_are_no_business_of_the_registry(
    cache_calls, django_assert_num_queries
):
    with django_assert_num_queries(0):
        text = SessionStore().encode({"_auth_user_id": "7"})
        assert SessionStore().decode(text) == {"_auth_user_id": "7"}

    assert cache_calls == []


# Sessions that are elsewhere, or of another name


def test_named_sessions_have_rows_of_their_own(visitor, settings):
    named = {"COOKIE_NAME": "admin_session", "URL_PREFIX": "/admin/"}
    settings.SECURE_SESSION = site(SESSIONS={"admin": named})
    visitor.do(log_in)
    visitor.do(log_in_bob, path="/admin/")
    thief = copied(visitor)
    assert {each.account_id: each.alias for each in rows()} == {
        "ada": "default",
        "bob": "admin",
    }
    visitor.do(log_out, path="/admin/")

    assert thief.who()["account"]["id"] == "ada"
    assert thief.who(path="/admin/")["account"] is None


@pytest.mark.parametrize(
    "options", [{"PLACEMENT": "spill", "SPILL_ABOVE": 0}, {"PLACEMENT": "chunked"}]
)
def test_large_sessions_end_with_every_copy(visitor, settings, options):
    settings.SECURE_SESSION = site(**options)

    async def fill(on):
        await on.login(ADA)
        await on.set("much", secrets.token_hex(1800))

    visitor.do(fill)
    thief = copied(visitor)
    assert name_of(thief) == "ada"
    visitor.do(on_session("cycle_key"))
    assert name_of(visitor) == "ada"
    visitor.do(log_out)

    assert (name_of(thief), why(thief)) == (None, "revoked")


@pytest.fixture
def key(people):
    return ApiKey.objects.create_key(name="ci", account_id="bob", scopes=[]).text


@pytest.mark.parametrize("server", [wsgi, asgi])
def test_a_request_with_an_api_key_asks_nothing_of_its_cookie(server, key, cache_calls):
    visitor = signed_in(server)
    before, _ = row(), registry.revoke_account("ada")
    del cache_calls[:]

    @authorized
    def view(request):
        request.session["a"] = 1
        request.session.flush()
        return HttpResponse(registry.current_handle(request) or request.account.id)

    answer = visitor.get(view, headers={"Authorization": f"Bearer {key}"})

    assert (answer.status, answer.body) == (200, b"bob")
    assert cookie(answer) is None
    assert row().last_seen == before.last_seen
    assert row().revoked_at is None
    assert cache_calls == []


# Nobody


def shown(on):
    return on.session("data")


@everywhere
def test_anonymous_requests_ask_nothing_and_leave_nothing(visitor, stack, cache_calls):
    garbage = ["!", "x" * 128, "A" * 4000, create_session({"a": 1}).session_key[:-4]]
    with asking(cache_calls) as asked:
        for action in (shown, write, shown, on_session("cycle_key"), name_of_view):
            visitor.do(action)
        visitor.do(log_out)
        for text in garbage:
            visitor.put(text)
            visitor.do(shown)
    assert (asked.queries, asked.operations) == (0, [])
    assert rows() == []


async def name_of_view(on):
    return await on.who()


def _requests(number: int) -> None:
    """Answer so many requests, each of nobody or with garbage."""
    noise = secrets.token_urlsafe(2 * number // 100 + 300)
    anonymous = create_session({"a": 1}).session_key

    def view(request):
        request.session.get("a")
        return HttpResponse()

    answer = SecureSessionMiddleware(view)
    request = RequestFactory().get("/")
    for turn in range(number):
        text = noise[turn // 50 : turn // 50 + 200] if turn % 2 else anonymous
        request.META["HTTP_COOKIE"] = f"{NAME}={text}"
        answer(request)


@pytest.mark.parametrize(
    "number", [500, pytest.param(1_000_000, marks=pytest.mark.heavy)]
)
def test_requests_of_nobody_leave_no_row_and_no_entry(number, cache_calls, caplog):
    caplog.set_level("CRITICAL")
    with asking(cache_calls) as asked:
        _requests(number)

    assert (asked.queries, asked.operations) == (0, [])
    assert rows() == []


# Errors


@pytest.mark.parametrize("action", [*MOVING.values(), write], ids=[*MOVING, "write"])
def test_a_view_that_fails_changes_no_row(visitor, clock, action):
    async def failing(on):
        await action(on)
        return HttpResponse(status=500)

    visitor.do(log_in)
    before, token = row(), cookie_of(visitor)
    answer = visitor.ask(failing)
    assert cookie(answer) is None
    clock.tick(2 * GRACE)

    assert cookie_of(visitor) == token
    assert row().digest == before.digest
    assert name_of(visitor) == "ada"


@pytest.mark.parametrize("action", [log_in, "django"])
def test_a_log_in_that_fails_makes_no_row(visitor, ada, action):
    async def failing(on):
        await (as_user(ada) if action == "django" else action)(on)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        visitor.do(failing)

    assert rows() == []
    assert name_of(visitor) is None


def test_a_view_that_drops_the_log_in_and_fails_ends_nothing(visitor):
    for name in ("clear", "regenerate"):

        async def failing(on, name=name):
            await on.session(name)
            return HttpResponse(status=500)

        visitor.do(log_in)
        visitor.ask(failing)

        assert name_of(visitor) == "ada"


def test_a_log_out_counts_also_in_a_view_that_fails(visitor):
    async def failing(on):
        await on.logout()
        return HttpResponse(status=500)

    visitor.do(log_in)
    thief = copied(visitor)
    visitor.ask(failing)

    assert name_of(thief) is None


@pytest.mark.parametrize("action", [log_out, on_session("flush"), log_in_bob])
def test_a_log_out_that_is_not_stored_is_503_and_leaves_the_cookie(visitor, action):
    visitor.do(log_in)
    token = cookie_of(visitor)
    with no_database("UPDATE"):
        answer = visitor.ask(action)
    assert (answer.status, cookie(answer)) == (503, None)
    assert answer.header("retry-after")

    assert cookie_of(visitor) == token
    assert name_of(visitor) == "ada"


@pytest.mark.parametrize("action", [*MOVING.values(), log_in], ids=[*MOVING, "write"])
def test_a_row_that_is_not_written_is_503_and_leaves_the_cookie(visitor, clock, action):
    visitor.do(log_in)
    token = cookie_of(visitor)
    with no_database("UPDATE"):
        answer = visitor.ask(action)
    assert (answer.status, cookie(answer)) == (503, None)
    clock.tick(2 * GRACE)

    assert cookie_of(visitor) == token
    assert name_of(visitor) == "ada"


@everywhere
def test_a_log_in_that_is_not_stored_is_503(visitor, stack):
    with no_database("INSERT"):
        answer = visitor.ask(log_in)

    # Django's middleware lets errors of saving pass, and knows no 503.
    assert answer.status == (503 if stack == "ours" else 500)
    assert cookie(answer) is None
    assert rows() == []


def test_a_session_that_can_not_be_looked_up_is_503(visitor):
    visitor.do(log_in)
    with no_database("SELECT"):
        answer = visitor.ask(name_of_view)

    assert (answer.status, cookie(answer)) == (503, None)
    assert name_of(visitor) == "ada"


def ending_meanwhile(action):
    """Return an action during which somebody ends the session."""

    async def raced(on):
        handle = await handle_of(on)
        await ask_registry(on, "revoke", handle)
        await action(on)
        return "done"

    return raced


@pytest.mark.parametrize("action", [*MOVING.values(), write], ids=[*MOVING, "write"])
def test_a_session_that_ends_meanwhile_is_not_sent(visitor, action):
    visitor.do(log_in)
    before, token = row(), cookie_of(visitor)
    answer = visitor.ask(ending_meanwhile(action))
    assert (answer.status, cookie(answer)) == (200, None)

    assert cookie_of(visitor) == token
    assert row().digest == before.digest
    assert name_of(visitor) is None


@pytest.mark.parametrize("action", [on_session("cycle_key"), write])
def test_a_session_that_ends_meanwhile_is_400_under_the_stock_middleware(
    visitor, settings, action
):
    settings.MIDDLEWARE = STACKS["stock"]
    visitor.do(log_in)
    visitor.error = None
    answer = visitor.ask(ending_meanwhile(action))

    # What a view saves itself raises there, as with Django's own engines.
    assert answer.status == (500 if visitor.error else 400)
    assert cookie(answer) is None
    assert name_of(visitor) is None


def test_of_two_requests_that_cycle_at_once_one_wins(visitor):
    async def raced(on):
        await on.session("sid")
        other = SessionStore(on.request.session.session_key)
        await on.call(other, "cycle_key")
        await on.session("cycle_key")
        return other.session_key

    visitor.do(log_in)
    answer = visitor.ask(raced)

    assert cookie(answer) is None
    assert name_of(visitor) == "ada"  # for a moment, until the winner's cookie is there
    visitor.put(answer.json())
    assert name_of(visitor) == "ada"
    assert len(rows()) == 1


@everywhere
def test_a_revoked_cookie_is_left_alone(visitor, stack, settings):
    visitor.do(log_in)
    registry.revoke_account("ada")
    for action in (name_of_view, shown, rejection_of):
        assert cookie(visitor.ask(action)) is None
    settings.SECURE_SESSION = site(IDLE_TIMEOUT=3600)

    assert cookie(visitor.ask(name_of_view)) is None


def test_a_revoked_cookie_is_left_alone_by_responses_that_save_all(visitor, settings):
    settings.SESSION_SAVE_EVERY_REQUEST = True
    visitor.do(log_in)
    registry.revoke_account("ada")

    assert cookie(visitor.ask(name_of_view)) is None


async def rejection_of(on):
    return await on.session("rejection")


@everywhere
def test_the_log_out_of_a_revoked_session_deletes_its_cookie(visitor, stack):
    visitor.do(log_in)
    registry.revoke_account("ada")
    visitor.do(log_out)

    assert visitor.named(NAME) == []


@everywhere
def test_a_log_in_takes_the_place_of_a_revoked_cookie(visitor, stack):
    visitor.do(log_in)
    registry.revoke_account("ada")
    visitor.do(log_in)

    assert name_of(visitor) == "ada"
    assert len(rows()) == 2


@everywhere
def test_a_site_that_writes_over_a_revoked_cookie_begins_anew(visitor, stack):
    visitor.do(log_in)
    registry.revoke_account("ada")
    visitor.do(write)

    assert visitor.do(shown) == {"cart": 1}
    assert len(rows()) == 1


# What is sent again


@everywhere
@pytest.mark.parametrize("setting", ["every request", "idle timeout"])
def test_a_refreshed_session_is_remembered_for_as_long_as_it_lives(
    visitor, stack, settings, clock, setting
):
    if setting == "every request":
        settings.SESSION_SAVE_EVERY_REQUEST = True
    elif stack == "stock":
        pytest.skip("Django's middleware knows no idle timeout")
    else:
        settings.SECURE_SESSION = site(IDLE_TIMEOUT=7 * 86400)
    visitor.do(log_in)
    handle = row().handle
    for _ in range(4):
        clock.tick(days=6)
        assert name_of(visitor) == "ada"
        SessionStore.clear_expired()

    assert row().handle == handle
    assert row().expires >= visitor.session.expires_at


@everywhere
def test_each_cookie_that_is_sent_has_a_row_that_lives_longer(visitor, stack, clock):
    for seconds in (60, 86400, 300, 2000000):

        async def action(on, seconds=seconds):
            if not await handle_of(on):
                await on.login(ADA)
            await on.session("set_expiry", seconds)

        visitor.do(action)
        assert row().expires > visitor.session.expires_at
        clock.tick(50)


@everywhere
def test_a_session_sealed_anew_with_the_new_key_keeps_its_row(visitor, stack, settings):
    visitor.do(log_in)
    before, old = row(), cookie_of(visitor)
    key = settings.SECURE_SESSION["KEY"]
    settings.SECURE_SESSION = site(KEY=secrets.token_bytes(32), KEY_FALLBACKS=[key])
    visitor.do(shown)

    assert cookie_of(visitor) != old
    assert row().digest == before.digest
    assert name_of(visitor) == "ada"


@everywhere
def test_a_session_that_is_too_large_changes_no_row(visitor, stack, clock):
    async def fill(on):
        await on.session("cycle_key")
        await on.set("much", get_random_string(5000))

    visitor.do(log_in)
    answer = visitor.ask(fill)
    assert (answer.status, cookie(answer)) == (500, None)

    if stack == "ours":  # Django's has given the sid up in cycle_key()
        clock.tick(2 * GRACE)
    assert name_of(visitor) == "ada"
    assert len(rows()) == 1


def test_a_log_in_that_is_too_large_makes_no_row(people):
    with pytest.raises(SessionTooLarge):
        create_session({"_auth_user_id": "7", "much": get_random_string(5000)})

    assert rows() == []


# Async code


async def read_value(session):
    return session.get("a")


async def read_rejection(session):
    return session.rejection


async def read_registration(session):
    return session.registration


async def set_value(session):
    session["a"] = 1
    return session["a"] and session.session_key


@pytest.mark.parametrize("read", [read_value, read_rejection, read_registration])
def test_reading_synchronously_in_async_code_names_the_async_methods(visitor, read):
    if visitor.server is wsgi:
        pytest.skip("sync")

    async def action(on):
        with pytest.raises(SynchronousOnlyOperation, match="aget"):
            await read(on.request.session)

    visitor.do(log_in)
    visitor.do(action)


def test_reading_synchronously_in_async_code_is_fine_for_nobody(visitor):
    async def action(on):
        return on.request.session.get("cart")

    visitor.do(write)

    assert visitor.do(action) == 1


def test_each_way_asks_the_registry_once_a_request(visitor, monkeypatch):
    asked = []
    revoker = conf.revoker()
    check = revoker.check
    monkeypatch.setattr(revoker, "check", lambda it: asked.append(it) or check(it))
    visitor.do(log_in)
    for action in (name_of_view, shown, write, handle_of, switch_org):
        del asked[:]
        visitor.do(action)
        assert len(asked) == 1


def test_a_site_without_the_app_has_no_revoker(settings):
    settings.INSTALLED_APPS = [
        name for name in settings.INSTALLED_APPS if name != conf.REGISTRY
    ]
    assert conf.revoker() is None
    SessionStore.clear_expired()
    session = create_session({"_auth_user_id": "7"})

    assert session.registration is None
    assert encode_session(session, purpose="ws")
    assert rows() == []


async def test_without_the_app_async_code_does_as_much(settings):
    settings.INSTALLED_APPS = [
        name for name in settings.INSTALLED_APPS if name != conf.REGISTRY
    ]
    await SessionStore.aclear_expired()
    session = await django_secure_session.acreate_session({"_auth_user_id": "7"})

    opened = await adecode_session(session.session_key)
    assert opened.epoch is None
    assert await opened.ais_saved()
    assert await aepoch_of(session, "7") == epoch_of_nobody() == 0


def epoch_of_nobody() -> int:
    return epoch_of(SessionStore(), "7")


def test_a_site_without_users_listens_to_none(monkeypatch):
    connected = []
    monkeypatch.setattr(Signal, "connect", lambda *_, **__: connected.append(1))
    monkeypatch.setattr(checks, "register", lambda *_, **__: None)
    for is_installed in (False, True):
        monkeypatch.setattr(apps, "is_installed", lambda _, found=is_installed: found)
        apps.get_app_config(conf.REGISTRY_LABEL).ready()
        assert bool(connected) == is_installed


def test_the_models_need_their_app(settings):
    text = Path(models.__file__).read_text()
    settings.INSTALLED_APPS = [
        name for name in settings.INSTALLED_APPS if name != conf.REGISTRY
    ]
    with pytest.raises(ImproperlyConfigured, match="INSTALLED_APPS"):
        exec(compile(text, models.__file__, "exec"), {"__name__": "imported"})


def test_what_is_known_of_an_account_says_so():
    registry.account_changed("ada")

    assert str(AccountState.objects.get()) == "ada (2)"
