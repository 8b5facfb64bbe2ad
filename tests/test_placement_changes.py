"""A site changes where it keeps its sessions while visitors have them."""

from __future__ import annotations

import logging
import secrets

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.http import HttpResponse
from django.test import RequestFactory

from django_secure_session import SessionTooLarge, StoreUnavailable, create_session
from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.middleware import SecureSessionMiddleware

LARGE = {"text": "x" * 5000}


@pytest.fixture
def place(settings):
    """Return a function that changes PLACEMENT, and what else is given."""
    cache.clear()
    key = settings.SECURE_SESSION["KEY"]

    def change(placement: str, **options) -> None:
        settings.SECURE_SESSION = {"KEY": key, "PLACEMENT": placement, **options}

    return change


def visit(token: str, view):
    request = RequestFactory().get("/", HTTP_COOKIE=f"sessionid={token}")
    return SecureSessionMiddleware(view)(request)


def reads(request):
    return HttpResponse(str(len(request.session["text"])))


def test_a_page_that_only_reads_a_session_too_large_to_refresh_is_no_error(
    place, clock, caplog
):
    place("spill", IDLE_TIMEOUT=1000)
    token = create_session(LARGE).session_key
    place("cookie", IDLE_TIMEOUT=1000)
    clock.tick(500)

    with caplog.at_level(logging.WARNING, "django_secure_session"):
        response = visit(token, reads)

    assert (response.content, response.cookies) == (b"5000", {})
    assert "Kept the session cookie" in caplog.text
    assert "x" * 50 not in caplog.text


def test_a_page_that_writes_a_session_too_large_is_an_error(place):
    place("spill")
    token = create_session(LARGE).session_key
    place("cookie")

    def writes(request):
        request.session["n"] = 1
        return HttpResponse()

    with pytest.raises(SessionTooLarge):
        visit(token, writes)


def test_a_session_that_shrinks_in_a_view_leaves_its_entry_until_the_answer(place):
    place("spill")
    token = create_session(LARGE).session_key

    def shrinks_and_fails(request):
        request.session["text"] = ""
        request.session.save()
        return HttpResponse(status=500)

    assert visit(token, shrinks_and_fails).cookies == {}
    assert SessionStore(token)["text"] == LARGE["text"]


def test_inspectsession_follows_a_token_into_the_cache(place, capsys):
    place("spill")
    call_command("inspectsession", create_session(LARGE).session_key)

    report = capsys.readouterr().out
    assert "in the cache 'default'" in report
    assert "'text' (" in report
    assert "accepted" in report


def test_inspectsession_says_that_the_cache_is_down(place, monkeypatch):
    place("spill")
    token = create_session(LARGE).session_key

    def fails(*_):
        raise StoreUnavailable("The cache")

    monkeypatch.setattr("django_secure_session.backends.spill.fetch", fails)
    with pytest.raises(CommandError, match="can't be reached"):
        call_command("inspectsession", token)


def test_inspectsession_reads_a_cookie_header(place, capsys):
    token = create_session({"a": secrets.token_hex(4)}).session_key
    call_command("inspectsession", f"Cookie: other=1; sessionid={token}")

    assert "accepted" in capsys.readouterr().out
