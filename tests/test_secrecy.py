"""Keys and tokens show up nowhere: not in logs, errors or Django's debug page."""

from __future__ import annotations

import base64
import logging

import pytest
from django.test import Client
from django.utils.log import AdminEmailHandler
from nacl.exceptions import CryptoError

from django_secure_session import BadToken, create_session
from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.keyring import boxes

NAME = "sessionid"
PAGES = ["/crash/", "/too_large/", "/unserializable/"]


@pytest.fixture
def key(settings) -> bytes:
    return settings.SECURE_SESSION["KEY"]


def spellings(key: bytes) -> list[str]:
    """Return what a fragment of the key looks like in every form it could leak in."""
    texts = [key.hex(), base64.b64encode(key).decode(), repr(key)[2:-1], str(list(key))]
    return [text[start : start + 12] for text in texts for start in (0, 16)]


def crash(path: str, cookie: str) -> str:
    client = Client(raise_request_exception=False)
    client.cookies[NAME] = cookie
    response = client.get(path)
    assert response.status_code == 500
    return response.content.decode()


@pytest.mark.parametrize("path", PAGES)
def test_the_debug_page_shows_no_key_and_no_cookie(settings, key, path):
    settings.DEBUG = True
    token = create_session({"a": 1}).session_key
    page = crash(path, token)

    assert "Traceback" in page
    assert token[20:60] not in page
    assert not [text for text in spellings(key) if text in page]


@pytest.mark.parametrize("fault", ["crypto_secretbox_easy", "crypto_secretbox_open"])
def test_a_failure_inside_the_encryption_shows_nothing(
    settings, key, monkeypatch, fault
):
    token = create_session({"a": 1}).session_key

    def fail(*args):
        local_copy = args  # what PyNaCl's own frames hold
        raise MemoryError(len(local_copy))

    settings.DEBUG = True
    monkeypatch.setattr(boxes, fault, fail)
    page = crash("/write/?data={}", token)

    assert token[20:60] not in page
    assert not [text for text in spellings(key) if text in page]


def test_the_mail_to_the_admins_shows_no_key_and_no_cookie(settings, key, monkeypatch):
    settings.ADMINS = ["root@example.com"]
    mails = []
    monkeypatch.setattr(
        AdminEmailHandler,
        "send_mail",
        lambda self, *texts, html_message=None, **kwargs: mails.append(
            f"{texts} {html_message}"
        ),
    )
    handler = AdminEmailHandler(include_html=True)
    logger = logging.getLogger("django.request")
    logger.addHandler(handler)
    token = create_session({"a": 1}).session_key
    try:
        crash("/crash/", token)
    finally:
        logger.removeHandler(handler)

    text = "".join(mails)
    assert "a view failed" in text
    assert "<html" in text
    assert token[20:60] not in text
    assert not [part for part in spellings(key) if part in text]


def test_the_log_shows_no_key_and_no_cookie(client, key, caplog):
    token = create_session({"a": 1}).session_key
    with caplog.at_level(logging.DEBUG):
        for cookie in (token, token[:-1] + "!", token[:-64], "A" + token[1:]):
            client.cookies[NAME] = cookie
            client.get("/read/")

    assert "Refused" in caplog.text
    assert token[1:40] not in caplog.text
    assert not [text for text in spellings(key) if text in caplog.text]


def test_a_store_shows_neither_its_token_nor_its_data():
    store = create_session({"name": "a very private value"})

    assert store.session_key[20:40] not in repr(store)
    assert "private" not in repr(store)


def test_a_refused_token_is_not_in_its_error(monkeypatch):
    token = create_session({"a": 1}).session_key
    codec = SessionStore()._codec
    with pytest.raises(BadToken) as caught:
        codec.unseal(token[:-1] + ("A" if token[-1] != "A" else "B"))

    assert str(caught.value) == "tampered"
    assert caught.value.__suppress_context__


def test_libsodiums_own_error_is_not_chained(monkeypatch):
    def fail(plaintext, nonce, key):
        raise CryptoError("no")

    monkeypatch.setattr(boxes, "crypto_secretbox_easy", fail)
    with pytest.raises(RuntimeError, match="libsodium could not seal") as caught:
        create_session({"a": 1})

    assert caught.value.__suppress_context__
