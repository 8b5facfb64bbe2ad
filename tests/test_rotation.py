from __future__ import annotations

import secrets

import pytest

from django_secure_session import DERIVED, create_session, session_resealed
from django_secure_session.backends.encrypted_cookies import SessionStore

NAME = "sessionid"


def keys():
    return [secrets.token_bytes(32) for _ in range(2)]


@pytest.fixture
def resealed():
    seen = []

    def receiver(**kwargs):
        seen.append(kwargs)

    session_resealed.connect(receiver)
    yield seen
    session_resealed.disconnect(receiver)


@pytest.mark.parametrize("path", ["/read/", "/aread/"])
def test_rotation_logs_out_nobody_who_came_by(client, settings, clock, path):
    old, new = keys()
    settings.SECURE_SESSION = {"KEY": old}
    session = create_session({"a": 1})
    client.cookies[NAME] = session.session_key
    clock.tick(days=1)

    settings.SECURE_SESSION = {"KEY": new, "KEY_FALLBACKS": [old]}
    response = client.get(path)
    assert response.json() == {"a": 1}
    assert response.cookies[NAME].value != session.session_key
    assert NAME not in client.get(path).cookies  # once is enough

    settings.SECURE_SESSION = {"KEY": new}
    assert client.get(path).json() == {"a": 1}
    assert client.session.sid == session.sid
    assert client.session.created_at == session.created_at


def test_an_untouched_request_does_not_open_the_cookie_to_reseal_it(client, settings):
    old, new = keys()
    settings.SECURE_SESSION = {"KEY": old}
    client.cookies[NAME] = create_session({"a": 1}).session_key
    settings.SECURE_SESSION = {"KEY": new, "KEY_FALLBACKS": [old]}

    assert NAME not in client.get("/untouched/").cookies


@pytest.mark.parametrize("path", ["/read/", "/aread/"])
def test_a_resealed_session_is_signalled_once(client, settings, resealed, path):
    old, new = keys()
    settings.SECURE_SESSION = {"KEY": old}
    session = create_session({"a": 1})
    client.cookies[NAME] = session.session_key
    settings.SECURE_SESSION = {"KEY": new, "KEY_FALLBACKS": [old]}
    for _ in range(3):
        client.get(path)

    (signalled,) = resealed
    assert signalled["sender"] is SessionStore
    assert (signalled["alias"], signalled["sid"]) == ("default", session.sid)


async def test_an_async_save_signals_too(settings, resealed):
    old, new = keys()
    settings.SECURE_SESSION = {"KEY": old}
    session = create_session({"a": 1})
    settings.SECURE_SESSION = {"KEY": new, "KEY_FALLBACKS": [old]}
    store = SessionStore(session.session_key)
    await store.asave()

    assert [signalled["sid"] for signalled in resealed] == [session.sid]


def test_ordinary_saves_are_not_signalled(resealed):
    create_session({"a": 1}).cycle_key()

    assert resealed == []


def test_a_site_moves_from_its_secret_key_to_a_key_of_its_own(client, settings):
    settings.SECURE_SESSION = {}
    client.cookies[NAME] = create_session({"a": 1}).session_key

    settings.SECURE_SESSION = {
        "KEY": secrets.token_bytes(32),
        "KEY_FALLBACKS": [DERIVED],
    }
    assert client.get("/read/").json() == {"a": 1}


def test_django_secret_keys_rotate_too(client, settings):
    settings.SECURE_SESSION = {}
    settings.SECRET_KEY, old = secrets.token_urlsafe(50), settings.SECRET_KEY
    client.cookies[NAME] = create_session({"a": 1}).session_key
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = (
        secrets.token_urlsafe(50),
        [settings.SECRET_KEY, old],
    )

    assert client.get("/read/").json() == {"a": 1}
