"""The sessions of an account: list them, end one, the others or all."""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.db import router
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from django_secure_session.accounts import claims
from django_secure_session.accounts.current import current, session_of
from django_secure_session.accounts.keyed import admitted
from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.exceptions import NotAuthenticated, SessionReadOnly
from django_secure_session.registry import ending, records
from django_secure_session.registry.models import SessionRecord


def active_sessions(account_id: str) -> QuerySet[SessionRecord]:
    """Return the sessions of an account that go on, the last used first.

    Of each a page may show ``handle``, ``created``, ``last_seen``, ``ip`` and
    ``user_agent``. One that a request names is to be looked up here, so that nobody
    ends the sessions of others: ``active_sessions(account.id).get(handle=handle)``.
    """
    _refuse_no_text("account_id", account_id)
    # Where they are written: a replica may not know yet of one that has ended.
    rows = SessionRecord.objects.using(router.db_for_write(SessionRecord))
    lasting = rows.filter(account_id=account_id, expires__gt=timezone.now())
    return records.living(lasting)


async def aactive_sessions(account_id: str) -> list[SessionRecord]:
    """Return them in a list; see :func:`active_sessions`."""
    return [row async for row in active_sessions(account_id)]


def current_handle(request: HttpRequest) -> str | None:
    """Return the handle of a request's session, None before it has one."""
    session = None if admitted(request) else session_of(request)
    registration = session.registration if session is not None else None
    return registration.handle if registration else None


async def acurrent_handle(request: HttpRequest) -> str | None:
    """See :func:`current_handle`."""
    session = None if admitted(request) else session_of(request)
    if session is not None:
        await session.aclaims()  # from here on it is loaded
    return current_handle(request)


def revoke(handle: str, *, account_id: str | None = None) -> bool:
    """End a session by its handle, and tell whether it went on until now.

    With an *account_id* only if it is that account's. Raise StoreUnavailable.
    """
    _refuse_no_text("handle", handle)
    if account_id is not None:
        _refuse_no_text("account_id", account_id)
    return bool(ending.end(handle, account_id))


async def arevoke(handle: str, *, account_id: str | None = None) -> bool:
    """See :func:`revoke`."""
    return await sync_to_async(revoke)(handle, account_id=account_id)


def revoke_account(account_id: str) -> None:
    """End all sessions of an account. Raise StoreUnavailable."""
    _refuse_no_text("account_id", account_id)
    ending.end_all(account_id)


async def arevoke_account(account_id: str) -> None:
    """See :func:`revoke_account`."""
    await sync_to_async(revoke_account)(account_id)


def revoke_others(request: HttpRequest) -> None:
    """End all sessions of who is logged in but for the request's own.

    Raise NotAuthenticated for nobody, SessionReadOnly where an API key has let the
    request in, and StoreUnavailable.
    """
    if admitted(request):
        raise SessionReadOnly
    account, session = current(request).account, session_of(request)
    if account is None or session is None:
        raise NotAuthenticated
    registration = session.registration
    epoch = ending.end_all(account.id, registration.handle if registration else None)
    _count_from(session, epoch)


async def arevoke_others(request: HttpRequest) -> None:
    """See :func:`revoke_others`."""
    await sync_to_async(revoke_others)(request)


def account_changed(account_id: str) -> None:
    """Have what is sealed about an account read again in its next requests.

    For changes that no saved user tells of: memberships, or ``QuerySet.update()``.
    Raise StoreUnavailable.
    """
    _refuse_no_text("account_id", account_id)
    ending.note_change(account_id)


async def aaccount_changed(account_id: str) -> None:
    """See :func:`account_changed`."""
    await sync_to_async(account_changed)(account_id)


def _count_from(session: SessionStore, epoch: int) -> None:
    """Let a log-in of this very request begin after all others have ended."""
    found = claims.parse(session.claims)
    registration = session.registration
    is_noted = registration and found and registration.account_id == found.account.id
    if found is not None and not is_noted:
        session.replace_claims(claims.dump(found._replace(epoch=epoch)))


def _refuse_no_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(
            f"{name} is of type {type(value).__name__}; it is a text, such as "
            "str(user.pk)."
        )
