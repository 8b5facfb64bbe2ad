"""The list of an account's sessions, and what can be ended from it."""

from __future__ import annotations

import pprint

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ImproperlyConfigured

from django_secure_session import (
    NotAuthenticated,
    authorized,
    create_session,
    decode_session,
    registry,
)
from django_secure_session.accounts.devices import device_of
from django_secure_session.api_keys.models import ApiKey
from django_secure_session.exceptions import SessionReadOnly
from django_secure_session.registry.models import SessionRecord
from django_secure_session.registry.records import digest_of
from django_secure_session.signals import session_revoked
from tests.accounts_site import ADA
from tests.http import wsgi
from tests.registry.site import ada as ada
from tests.registry.site import (
    ask_registry,
    handle_of,
    log_in,
    log_in_bob,
    name_of,
    row,
    signed_in,
    why,
)
from tests.registry.site import people as people
from tests.registry.site import visitor as visitor
from tests.spilling import act as act
from tests.visits import NAME

pytestmark = pytest.mark.django_db


def listed(act, account_id="ada") -> list[SessionRecord]:
    return list(act(registry, "active_sessions", account_id))


def handles(account_id="ada") -> list[str]:
    return [each.handle for each in registry.active_sessions(account_id)]


def session_of(account_id="7", **more):
    return create_session({"_auth_user_id": account_id, **more})


# The list


@pytest.mark.django_db(transaction=True)
def test_the_sessions_of_an_account_are_listed_the_last_used_first(visitor, act, clock):
    first = signed_in(visitor)
    clock.tick(60)
    second = signed_in(visitor)
    assert [each.handle for each in listed(act)] == [
        second.do(handle_of),
        first.do(handle_of),
    ]
    clock.tick(minutes=11)
    first.who()

    assert handles()[0] == first.do(handle_of)


def test_the_sessions_of_others_are_not_listed(visitor, act):
    visitor.do(log_in_bob)

    assert listed(act) == []
    assert len(listed(act, "bob")) == 1


def test_sessions_that_have_ended_are_not_listed(visitor, act):
    ended, killed = session_of("ada"), session_of("ada")
    ended.flush()
    registry.revoke(killed.registration.handle)
    assert listed(act) == []
    session_of("ada")
    registry.revoke_account("ada")
    assert listed(act) == []
    visitor.do(log_in)

    assert len(listed(act)) == 1


def test_sessions_that_have_expired_are_not_listed(act, clock):
    session_of("ada")
    clock.tick(days=14)
    assert len(listed(act)) == 1  # a little longer, as not each token is noted
    clock.tick(minutes=10)

    assert listed(act) == []


@pytest.mark.django_db(transaction=True)
def test_what_is_listed_says_when_and_where(visitor, clock):
    visitor.do(
        log_in, headers={"User-Agent": "Firefox", "X-Forwarded-For": "203.0.113.9"}
    )
    began = clock.datetime()
    clock.tick(minutes=10)
    visitor.who(headers={"User-Agent": "Chrome"})

    (only,) = registry.active_sessions("ada")
    assert (only.created, only.last_seen) == (began, clock.datetime())
    assert (only.ip, only.user_agent, only.alias) == ("", "Firefox", "default")


@pytest.mark.django_db(transaction=True)
def test_when_a_session_was_last_seen_is_noted_every_ten_minutes(visitor, clock):
    visitor.do(log_in)
    began = row().last_seen
    clock.tick(minutes=9)
    visitor.who()
    assert row().last_seen == began
    clock.tick(minutes=1)
    visitor.who()

    assert row().last_seen == clock.datetime()


def test_another_device_is_noted_where_somebody_logs_in_again(visitor):
    visitor.do(log_in, headers={"User-Agent": "Firefox"})
    visitor.do(log_in, headers={"User-Agent": "Chrome"})
    assert row().user_agent == "Chrome"
    visitor.do(lambda on: on.session("cycle_key"), headers={"User-Agent": "thief"})

    assert row().user_agent == "Chrome"


def test_a_log_in_with_django_notes_the_device(visitor, ada):
    visitor.do(lambda on: on.log_in_django(ada), headers={"User-Agent": "Firefox"})

    assert row().user_agent == "Firefox"


def test_a_row_shows_nothing_but_its_handle(act):
    session = session_of("ada")
    session.cycle_key()
    (only,) = listed(act)

    assert str(only) == only.handle
    for said in (repr(only), pprint.pformat(only), f"{only:}", repr([only])):
        for digest in only.digests():
            assert digest not in said


def test_what_a_row_holds_opens_nothing(visitor):
    visitor.do(log_in)
    token = visitor.named(NAME)[0].value
    session = decode_session(token)
    stored = " ".join(map(str, vars(row()).values()))

    assert session.sid not in stored
    assert token[:40] not in stored
    for text in (row().digest, row().handle):
        assert decode_session(text) is None


def test_handles_differ_and_tell_nothing(visitor):
    rows = [session_of("ada").registration for _ in range(50)]

    assert len({each.handle for each in rows}) == 50
    assert all(len(each.handle) == 20 for each in rows)
    assert not [each for each in rows if each.handle in digest_of(each.sid)]


# The request's own


def test_a_request_knows_its_handle_once_it_is_saved(visitor):
    async def action(on):
        before = await handle_of(on)
        await on.login(ADA)
        between = await handle_of(on)
        await on.session("save")
        return [before, between, await handle_of(on)]

    before, between, after = visitor.do(action)

    assert before is between is None
    assert (after or row().handle) == row().handle == visitor.do(handle_of)


def test_nobody_has_a_handle(visitor):
    assert visitor.do(handle_of) is None
    visitor.do(lambda on: on.set("cart", 1))

    assert visitor.do(handle_of) is None


def test_a_session_that_has_ended_has_no_handle(visitor):
    async def action(on):
        await on.logout()
        return await handle_of(on)

    visitor.do(log_in)
    other = signed_in(visitor)
    registry.revoke(other.do(handle_of))

    assert other.do(handle_of) is None
    assert visitor.do(action) is None


def test_the_handle_stays_when_the_sid_changes(visitor):
    visitor.do(log_in)
    before = visitor.do(handle_of)
    visitor.do(lambda on: on.session("cycle_key"))

    assert visitor.do(handle_of) == before


def test_a_request_without_our_session_has_no_handle(visitor):
    async def action(on):
        on.request.session = {}
        return await handle_of(on)

    visitor.do(log_in)

    assert visitor.do(action) is None


@pytest.mark.parametrize("name", ["current_handle", "revoke_others"])
def test_an_api_key_has_no_session_to_speak_of(people, name):
    key = ApiKey.objects.create_key(name="ci", account_id="ada", scopes=[]).text
    visitor = signed_in(wsgi)
    errors = []

    @authorized
    def view(request):
        try:
            assert getattr(registry, name)(request) is None
        except SessionReadOnly as error:
            errors.append(error)
        raise LookupError

    visitor.get(view, headers={"Authorization": f"Bearer {key}"})

    assert len(errors) == (name == "revoke_others")
    assert name_of(visitor) == "ada"


def test_a_request_that_accounts_know_nothing_of_is_refused(rf, act):
    request = rf.get("/")
    request.user = AnonymousUser()
    for name in ("current_handle", "revoke_others"):
        with pytest.raises(ImproperlyConfigured, match="AccountMiddleware"):
            act(registry, name, request)


# Ending


def test_a_session_is_ended_by_its_handle(visitor, act):
    visitor.do(log_in)
    handle = visitor.do(handle_of)

    assert act(registry, "revoke", handle) is True
    assert act(registry, "revoke", handle) is False
    assert (name_of(visitor), why(visitor)) == (None, "revoked")


def test_a_handle_of_another_account_ends_nothing(visitor, act):
    visitor.do(log_in)
    handle = visitor.do(handle_of)

    assert act(registry, "revoke", handle, account_id="bob") is False
    assert name_of(visitor) == "ada"
    with pytest.raises(SessionRecord.DoesNotExist):
        registry.active_sessions("bob").get(handle=handle)
    assert act(registry, "revoke", handle, account_id="ada") is True
    assert name_of(visitor) is None


@pytest.mark.parametrize("handle", ["", "f" * 20, "x", "é" * 300, "%", "' OR 1=1 --"])
def test_a_handle_of_nobody_ends_nothing(visitor, act, handle):
    session = session_of("ada")

    assert act(registry, "revoke", handle) is False
    assert decode_session(session.session_key)


def test_neither_sid_nor_digest_nor_token_is_a_handle():
    session = session_of("ada")
    names = [session.sid, session.session_key, row().digest, session.session_key[:20]]

    assert [registry.revoke(name) for name in names] == [False] * 4


def test_a_session_that_expired_is_ended_without_a_word(clock):
    session = session_of("ada")
    clock.tick(days=30)
    registry.revoke(session.registration.handle)

    assert decode_session(session.session_key) is None


@pytest.mark.parametrize("wrong", [None, 7, b"ada", ADA, ["ada"]])
def test_what_is_no_text_is_refused(act, wrong):
    for name in (
        "active_sessions",
        "revoke",
        "revoke_account",
        "account_changed",
    ):
        with pytest.raises(TypeError, match=type(wrong).__name__):
            act(registry, name, wrong)
    if wrong is not None:
        with pytest.raises(TypeError, match="account_id"):
            act(registry, "revoke", "f" * 20, account_id=wrong)


def test_nobody_can_end_others(visitor):
    async def action(on):
        with pytest.raises(NotAuthenticated):
            await ask_registry(on, "revoke_others", on.request)

    visitor.do(action)
    visitor.do(lambda on: on.set("cart", 1))
    visitor.do(action)


def test_there_is_no_other_name_in_the_registry():
    assert {"revoke", "arevoke"} < set(dir(registry))
    assert len(registry.__all__) == 12
    with pytest.raises(AttributeError, match="delete_all"):
        registry.delete_all  # noqa: B018


# What receivers are told


@pytest.fixture
def told(django_capture_on_commit_callbacks):
    """Return what a function makes the site tell of ended sessions."""

    def during(function, *args, **kwargs):
        heard = []

        def receive(sender, account_id, handle, **_):
            heard.append((sender, account_id, handle))

        session_revoked.connect(receive)
        try:
            with django_capture_on_commit_callbacks(execute=True):
                function(*args, **kwargs)
        finally:
            session_revoked.disconnect(receive)
        return heard

    return during


def test_receivers_are_told_of_the_end_once(told):
    session = session_of("ada")
    handle = session.registration.handle

    assert told(session.flush) == [(SessionRecord, "ada", handle)]
    assert told(registry.revoke, handle) == []


def test_receivers_are_told_of_the_end_of_all(told):
    session_of("ada")

    assert told(registry.revoke_account, "ada") == [(SessionRecord, "ada", "")]


def test_receivers_are_told_nothing_of_a_change(told):
    session_of("ada")

    assert told(registry.account_changed, "ada") == []


def test_a_receiver_that_fails_ends_the_session_all_the_same(told):
    def receive(**_):
        raise RuntimeError

    session = session_of("ada")
    session_revoked.connect(receive)
    try:
        told(session.flush)
    finally:
        session_revoked.disconnect(receive)

    assert row().revoked_at is not None


# Devices


@pytest.mark.parametrize(
    ("sent", "noted"),
    [
        ("Firefox", "Firefox"),
        ("\x1b[31mFire\r\nfox\0\x7f\u202e", "[31mFirefox"),
        ("é\ud800", "é"),
        ("a" * 10_000, "a" * 255),
        ("", ""),
    ],
)
def test_a_browser_is_noted_in_printable_characters(rf, sent, noted):
    assert device_of(rf.get("/", HTTP_USER_AGENT=sent)).user_agent == noted


@pytest.mark.parametrize(
    ("sent", "noted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("fe80::1%\x1b[31m" + "a" * 100, "fe80::1"),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.7"),
        ("", ""),
        ("unix:", ""),
        ("192.0.2.7:443", ""),
        ("192.0.2.7, 192.0.2.8", ""),
        (None, ""),
        ("<script>", ""),
    ],
)
def test_an_address_is_noted_if_it_is_one(rf, sent, noted):
    found = device_of(rf.get("/", REMOTE_ADDR=sent)).ip
    # In Python before 3.13 an IPv4 address in IPv6 is written in hexadecimal.
    assert found.replace("c000:207", "192.0.2.7") == noted


def test_a_request_without_an_address_has_none(rf):
    request = rf.get("/")
    del request.META["REMOTE_ADDR"]

    assert device_of(request) == ("", "")
    assert device_of(object()) == ("", "")


def test_what_a_proxy_is_said_to_have_seen_is_no_address(rf):
    request = rf.get("/", REMOTE_ADDR="192.0.2.7", HTTP_X_FORWARDED_FOR="203.0.113.9")

    assert device_of(request).ip == "192.0.2.7"


def test_a_browser_with_a_long_name_can_log_in(visitor):
    visitor.do(log_in, headers={"User-Agent": "\x1b" + "a" * 10_000})

    assert row().user_agent == "a" * 254
