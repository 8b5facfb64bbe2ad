"""A site with guards: its settings, its visitors, its views and its URLs.

Import the fixture ``guarded_site`` to run the tests of a module on such a site.
"""

from __future__ import annotations

import time

import pytest
from asgiref.sync import async_to_sync, iscoroutinefunction
from django.http import HttpResponse
from django.test import RequestFactory

from django_secure_session import Account, Org, create_session
from django_secure_session.accounts import claims
from django_secure_session.identity import Claims
from django_secure_session.middleware.requests import prepare
from tests.http import SECURE_MIDDLEWARE

MIDDLEWARE = [
    SECURE_MIDDLEWARE,
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_secure_session.middleware.AccountMiddleware",
]
REQUIRED = "django_secure_session.middleware.AccountRequiredMiddleware"

ADMIN = Account(id="1", role="admin", verified=True)
MEMBER = Account(id="2", role="member", verified=True)
ACME = Org(id="acme")

#: The cookie of somebody who is not logged in.
NOBODY = b""

JSON = {"accept": "application/json"}


@pytest.fixture(autouse=True)
def guarded_site(settings):
    settings.MIDDLEWARE = MIDDLEWARE


# Visitors


def session_of(account=ADMIN, org=None, *, ago=0):
    """Return a saved session of an account that logged in so many seconds ago."""
    now = int(time.time())
    session = create_session({})
    session.replace_claims(claims.dump(Claims(account, org, now, now - ago)))
    session.save()
    return session


def cookie_of(account=ADMIN, org=None, *, ago=0) -> bytes:
    """Return the cookie of such a session."""
    return f"sessionid={session_of(account, org, ago=ago).session_key}".encode()


def request_of(account=ADMIN, org=None, *, accept="text/html", **kwargs):
    """Return a request as a view gets it; with None for the account, of nobody."""
    request = RequestFactory().get("/page/", headers={"accept": accept}, **kwargs)
    request.session = session_of(account, org) if account else create_session({})
    prepare(request)
    return request


def call(view, request, *args, **kwargs):
    """Call a view, sync or async, as nothing but Python does."""
    if iscoroutinefunction(view):
        return async_to_sync(view)(request, *args, **kwargs)
    return view(request, *args, **kwargs)


# Views


def spy():
    """Return a view whose ``calls`` are what it was called with."""
    calls = []

    def page(request, *args, **kwargs):
        """Show the page."""
        calls.append((args, kwargs))
        return HttpResponse("shown")

    page.calls = calls
    return page


def aspy():
    """See :func:`spy`; to be awaited."""
    calls = []

    async def page(request, *args, **kwargs):
        """Show the page."""
        calls.append((args, kwargs))
        return HttpResponse("shown")

    page.calls = calls
    return page


SPIES = [spy, aspy]


def page(request, *args, **kwargs):
    return HttpResponse("shown")


async def apage(request, *args, **kwargs):
    return HttpResponse("shown")


# URLs


def urlconf(*patterns):
    """Return something for ROOT_URLCONF or include()."""
    return type("urlconf", (), {"urlpatterns": list(patterns)})
