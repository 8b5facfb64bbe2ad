from __future__ import annotations

from datetime import timedelta

import pytest

from django_secure_session import (
    SessionTooLarge,
    acreate_session,
    adecode_session,
    aencode_session,
    create_session,
    decode_session,
    encode_session,
)


def test_a_dict_comes_back_as_a_session():
    store = decode_session(encode_session({"a": [1]}))

    assert dict(store.items()) == {"a": [1]}


def test_the_default_purpose_gives_a_cookie(client):
    client.cookies["sessionid"] = encode_session({"a": 1})

    assert client.get("/read/").json() == {"a": 1}


def test_a_cookie_can_be_read_outside_a_request(client):
    client.get("/write/", {"data": '{"a": 1}'})

    assert decode_session(client.cookies["sessionid"].value)["a"] == 1


def test_a_session_given_keeps_its_sid_and_its_age_and_stays_as_it_is(clock):
    session = create_session({"a": 1})
    key = session.session_key
    clock.tick(days=1)
    copy = decode_session(encode_session(session, purpose="ws"), purpose="ws")

    assert (copy.sid, copy.created_at) == (session.sid, session.created_at)
    assert copy.issued_at == clock.datetime()
    assert session.session_key == key


def test_unsaved_changes_go_into_the_token():
    session = create_session({"a": 1})
    session["a"] = 2

    assert decode_session(encode_session(session))["a"] == 2


@pytest.mark.parametrize("token", [None, "", "x", "junk-junk", "A" * 128])
def test_junk_gives_none(token):
    assert decode_session(token) is None


def test_a_token_opens_for_its_own_purpose_only():
    token = encode_session({"a": 1}, purpose="ws")

    assert decode_session(token) is None
    assert decode_session(token, purpose="WS") is None
    assert decode_session(token, purpose="ws")["a"] == 1


def test_what_was_opened_for_a_purpose_is_saved_for_that_purpose():
    store = decode_session(encode_session({"a": 1}, purpose="ws"), purpose="ws")
    store.save()

    assert decode_session(store.session_key) is None
    assert decode_session(store.session_key, purpose="ws")["a"] == 1


@pytest.mark.parametrize("max_age", [60, 60.0, timedelta(minutes=1)])
def test_max_age_is_the_whole_life_of_the_token(clock, max_age):
    token = encode_session({"a": 1}, purpose="reset", max_age=max_age)
    clock.tick(59)
    assert decode_session(token, purpose="reset") is not None

    clock.tick(1)
    assert decode_session(token, purpose="reset") is None


def test_max_age_may_exceed_session_cookie_age_but_not_absolute_timeout(clock):
    token = encode_session({}, purpose="invite", max_age=timedelta(days=300))
    clock.tick(days=29)
    assert decode_session(token, purpose="invite") is not None

    clock.tick(days=1)
    assert decode_session(token, purpose="invite") is None


@pytest.mark.parametrize("max_age", [10**12, 1e300, float("inf"), timedelta.max])
def test_no_max_age_is_too_long_to_be_bounded(clock, max_age):
    token = encode_session({}, purpose="invite", max_age=max_age)
    clock.tick(days=30)

    assert decode_session(token, purpose="invite") is None


@pytest.mark.parametrize("max_age", [0, -1, float("-inf"), timedelta(days=-1)])
def test_a_max_age_that_is_over_is_dead_at_once(clock, max_age):
    assert decode_session(encode_session({}, max_age=max_age)) is None


def test_a_token_that_is_no_cookie_may_be_larger():
    token = encode_session({"x": "y" * 40_000}, purpose="job")

    assert len(decode_session(token, purpose="job")["x"]) == 40_000
    with pytest.raises(SessionTooLarge, match="The session token would take"):
        encode_session({"x": "y" * 60_000}, purpose="job")
    with pytest.raises(SessionTooLarge, match="The session cookie 'sessionid'"):
        encode_session({"x": "y" * 4_000})


def test_a_purpose_too_long_to_be_bound_is_refused():
    with pytest.raises(OverflowError):
        encode_session({}, purpose="x" * 65536)


def test_create_session_is_saved_at_once():
    session = create_session({"a": 1})

    assert session.is_saved()
    assert decode_session(session.session_key)["a"] == 1


async def test_the_async_twins_do_the_same():
    token = await aencode_session({"a": 1}, purpose="ws", max_age=60)
    store = await adecode_session(token, purpose="ws")
    assert store["a"] == 1
    assert await adecode_session("junk-junk") is None

    again = await aencode_session(store, purpose="ws")
    assert (await adecode_session(again, purpose="ws")).sid == store.sid

    session = await acreate_session({"a": 1})
    assert (await adecode_session(session.session_key)).sid == session.sid
