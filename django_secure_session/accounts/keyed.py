"""Requests that an API key has let in."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from django.apps import apps
from django.http import HttpRequest

from django_secure_session.accounts import claims
from django_secure_session.backends.keyed import KeySession
from django_secure_session.identity import Account, Claims, Identity

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

# Where a request keeps whom its key speaks for, whether the response depends on what
# key it shows, and what is to be done after the response.
_ADMITTED = "_secure_session_key"
_ASKED = "_secure_session_asks_key"
_DEFERRED = "_secure_session_deferred"

Task = Callable[[], object]


def admitted(request: HttpRequest) -> Identity | None:
    """Return whom the API key speaks for that has let the request in, if one has."""
    identity: Identity | None = getattr(request, _ADMITTED, None)
    return identity


def was_asked(request: HttpRequest) -> bool:
    """Tell whether the response depends on what key a request shows."""
    return getattr(request, _ASKED, False)


def note_asked(request: HttpRequest) -> None:
    """Note that what key a request shows decides about it."""
    setattr(request, _ASKED, True)


def defer(request: HttpRequest, task: Task) -> None:
    """Leave a task to AccountMiddleware that has to wait for the response.

    The view may be in a transaction, which would undo it, and make others wait.
    """
    setattr(request, _DEFERRED, task)


def deferred(request: HttpRequest) -> Task | None:
    """Return the task that was left, if one was."""
    return getattr(request, _DEFERRED, None)


def enter(request: HttpRequest, identity: Identity, account: Account) -> None:
    """Make a request that of an API key, and nobody else's.

    What the cookie says is out of reach: ``request.session`` is another one, and
    ``request.user`` nobody.
    """
    own = Claims(account, identity.org, int(time.time()))
    before = getattr(request, "session", None)
    was_accessed = bool(getattr(before, "accessed", False))
    request.session = KeySession(claims.dump(own), accessed=was_accessed)
    setattr(request, _ADMITTED, identity)
    if apps.is_installed("django.contrib.auth"):
        _forget_user(request)


async def _given(user: AnonymousUser) -> AnonymousUser:
    return user


def _forget_user(request: HttpRequest) -> None:
    # Imported late, because a site may have no models of Django's.
    from django.contrib.auth.models import AnonymousUser

    # Something may have looked the cookie's user up already, as logout() has to mind.
    request.user = AnonymousUser()
    request.auser = partial(_given, request.user)  # no closure: it can be pickled
    # Where AuthenticationMiddleware keeps a user, for whoever asks that itself. Django
    # has no public way to make it forget.
    for name in ("_cached_user", "_acached_user"):
        vars(request).pop(name, None)
