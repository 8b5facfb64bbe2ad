"""Log in, log out, act for another organisation, prove oneself again."""

from __future__ import annotations

import time
from collections.abc import Iterable

from django.apps import apps
from django.contrib.auth import SESSION_KEY
from django.contrib.auth import alogout as django_alogout
from django.contrib.auth import logout as django_logout
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.http import HttpRequest
from django.middleware.csrf import rotate_token

from django_secure_session import conf
from django_secure_session.accounts import claims
from django_secure_session.accounts.asking import (
    aread_account,
    as_account,
    as_org,
    asking,
    log_in_of,
    new_claims,
    provider_of,
    read_account,
)
from django_secure_session.accounts.current import acurrent, current, session_of
from django_secure_session.accounts.keyed import admitted
from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.exceptions import (
    NotAuthenticated,
    NotAuthorized,
    SessionReadOnly,
)
from django_secure_session.identity import Account, Claims, Org

PASSWORD = ("password",)


def login(
    request: HttpRequest,
    account: Account,
    org: Org | None = None,
    methods: Iterable[str] = PASSWORD,
) -> None:
    """Log an account in that is no Django user, acting for an organisation.

    *methods* are how it proved itself; RFC 8176 has names. An anonymous session is
    carried on under a new sid, another account's is ended. Raise TypeError for
    anything but an Account; Django users have ``django.contrib.auth.login()``.
    """
    fresh = _first_claims(account, org, methods)
    session = _needed_session(request)
    if _is_of_another(session, account):
        _end(request, session)
    _begin(request, session, fresh)


async def alogin(
    request: HttpRequest,
    account: Account,
    org: Org | None = None,
    methods: Iterable[str] = PASSWORD,
) -> None:
    """See :func:`login`."""
    fresh = _first_claims(account, org, methods)
    session = _needed_session(request)
    await session.aclaims()
    if _is_of_another(session, account):
        await _aend(request, session)
    _begin(request, session, fresh)


def logout(request: HttpRequest) -> None:
    """End the session and with it the log-in, whichever way it came about."""
    _end(request, _needed_session(request))


async def alogout(request: HttpRequest) -> None:
    """See :func:`logout`."""
    session = _needed_session(request)
    await session.aclaims()
    await _aend(request, session)


def switch_org(request: HttpRequest, org_id: str | None) -> None:
    """Act for another organisation, None for no one's, under a new sid.

    The role is read anew. Raise NotAuthenticated if nobody is logged in, and
    NotAuthorized if the account is no member or has lost its place.
    """
    _refuse_no_org_id(org_id)
    account, session, old = _logged_in(request, current(request).account)
    provider = provider_of(session)
    with asking(session):
        org = as_org(provider.get_org(account.id, org_id)) if org_id else None
        account_of = read_account(request, provider, old) if org or not org_id else None
        log_in = log_in_of(session, old)
        switched = account_of(org.id if org else None) if account_of else None
    _act_for(session, new_claims(as_account(switched), org, log_in, old), old)


async def aswitch_org(request: HttpRequest, org_id: str | None) -> None:
    """See :func:`switch_org`."""
    _refuse_no_org_id(org_id)
    account, session, old = _logged_in(request, (await acurrent(request)).account)
    provider = provider_of(session)
    with asking(session):
        org = None
        if org_id:
            org = as_org(await provider.aget_org(account.id, org_id))
        is_member = org or not org_id
        account_of = await aread_account(request, provider, old) if is_member else None
        log_in = log_in_of(session, old)
        switched = await account_of(org.id if org else None) if account_of else None
    _act_for(session, new_claims(as_account(switched), org, log_in, old), old)


def reauthenticate(request: HttpRequest, methods: Iterable[str] = PASSWORD) -> None:
    """Note that the account has just proved itself again, under a new sid.

    For views that have checked a password, a passkey or the like; guards with
    ``fresh`` then pass. Raise NotAuthenticated if nobody is logged in.
    """
    _prove(*_logged_in(request, current(request).account), methods)


async def areauthenticate(
    request: HttpRequest, methods: Iterable[str] = PASSWORD
) -> None:
    """See :func:`reauthenticate`."""
    _prove(*_logged_in(request, (await acurrent(request)).account), methods)


# What both ways share


def _first_claims(account: Account, org: Org | None, methods: Iterable[str]) -> Claims:
    if not isinstance(account, Account):
        raise TypeError(
            f"login() takes an Account, not a {type(account).__name__}. Log a Django "
            "user in with django.contrib.auth.login(request, user)."
        )
    if org is not None and not isinstance(org, Org):
        raise TypeError(f'login() takes an Org, not {org!r}: org=Org(id="...").')
    now = int(time.time())
    return Claims(account, org, now, now, _texts(methods))


def _texts(methods: Iterable[str]) -> tuple[str, ...]:
    texts = () if isinstance(methods, str) else tuple(methods)
    if isinstance(methods, str) or not all(isinstance(each, str) for each in texts):
        raise TypeError('methods is a list of texts, such as methods=["password"].')
    return texts


def _needed_session(request: HttpRequest) -> SessionStore:
    if admitted(request):
        raise SessionReadOnly
    session = getattr(request, "session", None)
    if isinstance(session, SessionStore):
        return session
    raise ImproperlyConfigured(
        "There is no encrypted session on this request. It needs a session middleware "
        f'and SESSION_ENGINE = "{conf.ENGINE}".'
    )


def _is_of_another(session: SessionStore, account: Account) -> bool:
    """Tell whether a session's data must not go to this account."""
    return SESSION_KEY in session or claims.are_of_another(session.claims, account)


def _begin(request: HttpRequest, session: SessionStore, fresh: Claims) -> None:
    session.renew(claims.dump(fresh), log_in=True)
    rotate_token(request)  # as Django does: who knew it before must not know it now


def _is_of_django(session: SessionStore) -> bool:
    return SESSION_KEY in session and apps.is_installed("django.contrib.auth")


#: What Django raises for ids in a session that no user can have.
_NO_USER = (OverflowError, TypeError, ValidationError)


def _end(request: HttpRequest, session: SessionStore) -> None:
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


async def _aend(request: HttpRequest, session: SessionStore) -> None:
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


def _logged_in(
    request: HttpRequest, account: Account | None
) -> tuple[Account, SessionStore, Claims]:
    if admitted(request):
        raise SessionReadOnly
    session = session_of(request)
    found = claims.parse(session.claims) if session is not None else None
    if account is None or session is None or found is None:
        raise NotAuthenticated
    return account, session, found


def _refuse_no_org_id(org_id: object) -> None:
    if org_id is not None and (not isinstance(org_id, str) or not org_id):
        raise TypeError(f"An organisation's id is a text, not {org_id!r}: str(org.pk).")


def _act_for(session: SessionStore, switched: Claims | None, old: Claims) -> None:
    if claims.parse(session.claims) != old:
        raise NotAuthenticated  # another task of the request has ended the log-in
    if switched is None:
        raise NotAuthorized("no_org")
    session.renew(claims.dump(switched))


def _prove(
    account: Account, session: SessionStore, old: Claims, methods: Iterable[str]
) -> None:
    proved = old._replace(authenticated_at=int(time.time()), methods=_texts(methods))
    session.renew(claims.dump(proved))
