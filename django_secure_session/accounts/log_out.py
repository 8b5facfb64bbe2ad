"""Log out: end the session, however its log-in came about."""

from __future__ import annotations

from django.apps import apps
from django.contrib.auth import SESSION_KEY
from django.contrib.auth import alogout as django_alogout
from django.contrib.auth import logout as django_logout
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.http import HttpRequest

from django_secure_session import conf
from django_secure_session.accounts.asking import asking
from django_secure_session.accounts.keyed import admitted
from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.exceptions import SessionReadOnly


def logout(request: HttpRequest) -> None:
    """End the session and with it the log-in, whichever way it came about."""
    end(request, needed_session(request))


async def alogout(request: HttpRequest) -> None:
    """See :func:`logout`."""
    session = needed_session(request)
    await session.aclaims()
    await aend(request, session)


def _is_of_django(session: SessionStore) -> bool:
    return SESSION_KEY in session and apps.is_installed("django.contrib.auth")


#: What Django raises for ids in a session that no user can have.
_NO_USER = (OverflowError, TypeError, ValidationError)


def end(request: HttpRequest, session: SessionStore) -> None:
    """End a session as whoever began it would. Raise StoreUnavailable."""
    with asking(session):
        if _is_of_django(session) and _has_user(request):
            return django_logout(request)
    session.flush()


def _has_user(request: HttpRequest) -> bool:
    """Tell whether Django, which looks the user up to log out, can do that."""
    try:
        bool(getattr(request, "user", None))
    except _NO_USER:
        return False
    return True


async def aend(request: HttpRequest, session: SessionStore) -> None:
    """See :func:`end`."""
    with asking(session):
        if _is_of_django(session) and await _ahas_user(request):
            return await django_alogout(request)
    await session.aflush()


async def _ahas_user(request: HttpRequest) -> bool:
    """See :func:`_has_user`."""
    try:
        if hasattr(request, "auser"):
            await request.auser()
    except _NO_USER:
        return False
    return True


def needed_session(request: HttpRequest) -> SessionStore:
    """Return the session. Raise SessionReadOnly, or ImproperlyConfigured for none."""
    if admitted(request):
        raise SessionReadOnly
    session = getattr(request, "session", None)
    if isinstance(session, SessionStore):
        return session
    raise ImproperlyConfigured(
        "There is no encrypted session on this request. It needs a session middleware "
        f'and SESSION_ENGINE = "{conf.ENGINE}".'
    )
