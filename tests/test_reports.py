"""What the log and the receivers of signals learn of a refused cookie."""

from __future__ import annotations

import logging

import pytest

from django_secure_session import create_session, session_rejected
from django_secure_session.backends.encrypted_cookies import SessionStore

NAME = "sessionid"


def tampered() -> str:
    token = create_session({"a": 1}).session_key
    return token[:-1] + ("A" if token[-1] != "A" else "B")


@pytest.fixture
def rejected():
    seen = []

    def receiver(*, reason, alias, sender, **kwargs):
        seen.append((sender, alias, reason))

    session_rejected.connect(receiver)
    yield seen
    session_rejected.disconnect(receiver)


@pytest.fixture
def failing_receiver():
    def receiver(**kwargs):
        raise ValueError("a receiver failed")

    session_rejected.connect(receiver)
    yield
    session_rejected.disconnect(receiver)


@pytest.fixture
def async_receiver():
    seen = []

    async def receiver(*, reason, **kwargs):
        seen.append(reason)

    session_rejected.connect(receiver)
    yield seen
    session_rejected.disconnect(receiver)


@pytest.mark.parametrize("path", ["/read/", "/aread/"])
def test_a_refusal_is_signalled_once_per_request(client, rejected, path):
    client.cookies[NAME] = tampered()
    client.get(path)

    assert rejected == [(SessionStore, "default", "tampered")]


@pytest.mark.parametrize("path", ["/read/", "/aread/"])
def test_no_refusal_no_signal(client, rejected, path):
    client.get(path)
    client.cookies[NAME] = create_session({"a": 1}).session_key
    client.get(path)

    assert rejected == []


@pytest.mark.parametrize("path", ["/read/", "/aread/"])
def test_a_failing_receiver_does_not_break_the_request(client, failing_receiver, path):
    client.cookies[NAME] = tampered()

    assert client.get(path).json() == {}


@pytest.mark.parametrize("path", ["/read/", "/aread/"])
def test_async_receivers_hear_of_refusals(client, async_receiver, path):
    client.cookies[NAME] = tampered()
    client.get(path)

    assert async_receiver == ["tampered"]


async def test_async_receivers_cannot_break_sync_access_in_async_code(
    async_receiver, caplog
):
    store = SessionStore(tampered())

    assert store.get("a") is None
    assert store.rejection == "tampered"
    assert "Await the a... methods" in caplog.text


@pytest.mark.parametrize(
    ("reason", "level"),
    [
        ("malformed", logging.INFO),
        ("unknown_version", logging.INFO),
        ("tampered", logging.WARNING),
        ("expired", logging.DEBUG),
        ("future", logging.WARNING),
    ],
)
def test_refusals_are_logged_at_the_level_they_are_worth(
    caplog, clock, settings, reason, level
):
    good = create_session({"a": 1}).session_key
    cookie = {"malformed": "x" * 9, "unknown_version": "A" * 128}.get(reason, good)
    if reason == "tampered":
        cookie = tampered()
    clock.tick({"expired": settings.SESSION_COOKIE_AGE, "future": -100}.get(reason, 0))

    with caplog.at_level(logging.DEBUG, "django_secure_session"):
        assert SessionStore(cookie).rejection == reason

    (record,) = caplog.records
    assert (record.name, record.levelno) == ("django_secure_session", level)
    assert record.getMessage() == f"Refused the session cookie 'sessionid': {reason}"
