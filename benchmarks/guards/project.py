"""A site as ``startproject`` makes it, with Django's sessions or ours.

One user is in the table, the fastest to find.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from typing import Any

from django.contrib.auth import login
from django.core.management import call_command
from django.http import HttpRequest

from benchmarks import site as any_site
from benchmarks.sessions import Session
from benchmarks.site import DJANGOS, OUR_ENGINE, OUR_MIDDLEWARE, STOCK_MIDDLEWARE, Setup

#: A key of each session, and what stands there.
KEY, VALUE = "lang", "en"
USER_ID, USERNAME = 1, "h.okonkwo-larsen"
#: What the views show.
USER, ACCOUNT = f"{USER_ID} {USERNAME}", f"{USER_ID} user"

OURS, OUR_SESSIONS = "ours", "ours, Django's guard"
#: What a site has that chooses nothing.
USUAL = "db"
DJANGO_SESSIONS = (USUAL, "cached_db", "cache", "signed_cookies")
ACCOUNT_MIDDLEWARE = "django_secure_session.middleware.AccountMiddleware"

APPS = (
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
)


def setups() -> dict[str, Setup]:
    """Return the setups by name."""
    return {
        OURS: Setup(OUR_ENGINE, _middleware(OUR_MIDDLEWARE, ACCOUNT_MIDDLEWARE)),
        OUR_SESSIONS: Setup(OUR_ENGINE, _middleware(OUR_MIDDLEWARE)),
        **{
            engine: Setup(f"{DJANGOS}.{engine}", _middleware(STOCK_MIDDLEWARE))
            for engine in DJANGO_SESSIONS
        },
    }


def _middleware(sessions: str, *accounts: str) -> tuple[str, ...]:
    """Return MIDDLEWARE as ``startproject`` writes it, but for these."""
    return (
        "django.middleware.security.SecurityMiddleware",
        sessions,
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        *accounts,
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    )


@contextlib.contextmanager
def site(*, is_async: bool) -> Iterator[None]:
    """Configure Django, make the database and its user."""
    with any_site.site("benchmarks.guards.views", APPS, is_async=is_async):
        call_command("migrate", verbosity=0)
        _users().create(pk=USER_ID, username=USERNAME, password=_password())
        yield


def _users() -> Any:
    from django.contrib.auth.models import User  # needs the apps

    return User.objects


def _password() -> str:
    """Return what is as long as Django writes it; nobody logs in by it."""
    return f"pbkdf2_sha256$1500000${secrets.token_hex(11)}${secrets.token_hex(22)}"


def cookie(setup: Setup, session: Session) -> str:
    """Return the Cookie header of a browser whose user has logged in, Django's way."""
    request = HttpRequest()
    request.session = any_site.new_session(setup)
    login(request, _users().get(), "django.contrib.auth.backends.ModelBackend")
    for key, value in {**session, KEY: VALUE}.items():
        request.session.setdefault(key, value)
    return any_site.cookie(request.session)
