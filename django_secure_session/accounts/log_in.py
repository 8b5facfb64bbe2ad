"""Log in, act for another organisation, prove oneself again."""

from __future__ import annotations

import time
from collections.abc import Iterable

from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest
from django.middleware.csrf import rotate_token

from django_secure_session.accounts import claims
from django_secure_session.accounts.asking import (
    aread_account,
    as_account,
    as_org,
    asking,
    log_in_of,
    provider_of,
    read_account,
)
from django_secure_session.accounts.current import acurrent, current, session_of
from django_secure_session.accounts.devices import device_of
from django_secure_session.accounts.epochs import aepoch_of, epoch_of
from django_secure_session.accounts.keyed import admitted
from django_secure_session.accounts.log_out import aend, end, needed_session
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
    session = needed_session(request)
    epoch = epoch_of(session, account.id)
    if _is_of_another(session, account):
        end(request, session)
    _begin(request, session, fresh, epoch)


async def alogin(
    request: HttpRequest,
    account: Account,
    org: Org | None = None,
    methods: Iterable[str] = PASSWORD,
) -> None:
    """See :func:`login`."""
    fresh = _first_claims(account, org, methods)
    session = needed_session(request)
    epoch = await aepoch_of(session, account.id)
    await session.aclaims()
    if _is_of_another(session, account):
        await aend(request, session)
    _begin(request, session, fresh, epoch)


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
    _act_for(session, switched, org, log_in, old)


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
    _act_for(session, switched, org, log_in, old)


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


def _is_of_another(session: SessionStore, account: Account) -> bool:
    """Tell whether a session's data must not go to this account."""
    return SESSION_KEY in session or claims.are_of_another(session.claims, account)


def _begin(
    request: HttpRequest, session: SessionStore, fresh: Claims, epoch: int
) -> None:
    session.device = device_of(request)
    session.renew(claims.dump(fresh._replace(epoch=epoch)), log_in=True)
    rotate_token(request)  # as Django does: who knew it before must not know it now


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


def _act_for(
    session: SessionStore,
    account: Account | None,
    org: Org | None,
    log_in: str | None,
    old: Claims,
) -> None:
    if claims.parse(session.claims) != old:
        raise NotAuthenticated  # another task of the request has ended the log-in
    account = as_account(account)
    switched = claims.new_claims(account, org, log_in, old, session.epoch)
    if switched is None:
        raise NotAuthorized("no_org")
    session.renew(claims.dump(switched))


def _prove(
    account: Account, session: SessionStore, old: Claims, methods: Iterable[str]
) -> None:
    proved = old._replace(authenticated_at=int(time.time()), methods=_texts(methods))
    session.renew(claims.dump(proved))
