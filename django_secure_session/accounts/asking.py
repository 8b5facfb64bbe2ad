"""What the site's provider says about an account, now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.apps import apps
from django.contrib.auth import aget_user, get_user
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest
from django.utils.asyncio import async_unsafe

from django_secure_session import conf
from django_secure_session.accounts.claims import look_at, new_claims
from django_secure_session.accounts.provider import (
    AccountProvider,
    DjangoUserProvider,
    get_provider,
)
from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.backends.reports import unavailable
from django_secure_session.exceptions import StoreUnavailable
from django_secure_session.identity import Account, Claims, Org

AccountOf = Callable[[str | None], Account | None]
AsyncAccountOf = Callable[[str | None], Awaitable[Account | None]]
Answer = tuple[Account | None, Org | None]


@async_unsafe(
    "Who this request is from has to be read from the database. In async code await "
    "request.aaccount(), request.aorg() or request.aauthenticated() before."
)
def read_claims(
    request: HttpRequest, session: SessionStore, old: Claims | None
) -> Claims | None:
    """Return the claims of a loaded session as of now, None for nobody.

    *old* are those it has. Raise StoreUnavailable.
    """
    provider = provider_of(session)
    with asking(session):
        account_of = read_account(request, provider, old)
        if account_of is None:
            return None
        # Now, because another task may log somebody in while the provider is asked.
        log_in = log_in_of(session, old)
        account, org = ask(provider, account_of, old)
    return new_claims(account, org, log_in, old, session.epoch)


async def aread_claims(
    request: HttpRequest, session: SessionStore, old: Claims | None
) -> Claims | None:
    """See :func:`read_claims`."""
    provider = provider_of(session)
    with asking(session):
        account_of = await aread_account(request, provider, old)
        if account_of is None:
            return None
        log_in = log_in_of(session, old)
        account, org = await aask(provider, account_of, old)
    return new_claims(account, org, log_in, old, session.epoch)


def provider_of(session: SessionStore) -> AccountProvider:
    """Return the provider of a session's accounts."""
    return get_provider(conf.get_config(session.alias).account_provider)


def log_in_of(session: SessionStore, old: Claims | None) -> str | None:
    """Return what new claims hold on to, None if there is nothing they could.

    Claims that a log-in without Django has made hold on to nothing.
    """
    is_own = old is not None and not old.log_in
    return "" if is_own else look_at(session).log_in()


def read_account(
    request: HttpRequest, provider: AccountProvider, old: Claims | None
) -> AccountOf | None:
    """Return what tells the account, given an organisation; None for nobody."""
    if old is not None and not old.log_in:
        _refuse_users_only(provider)
        return partial(provider.get_account, old.account.id)
    if not apps.is_installed("django.contrib.auth"):
        return None
    try:
        user: Any = get_user(request)
    except ValidationError:  # an id that no user can have
        return None
    return partial(provider.account_for_user, user) if is_proven(user) else None


async def aread_account(
    request: HttpRequest, provider: AccountProvider, old: Claims | None
) -> AsyncAccountOf | None:
    """See :func:`read_account`."""
    if old is not None and not old.log_in:
        _refuse_users_only(provider)
        return partial(provider.aget_account, old.account.id)
    if not apps.is_installed("django.contrib.auth"):
        return None
    try:
        user: Any = await aget_user(request)
    except ValidationError:
        return None
    return partial(provider.aaccount_for_user, user) if is_proven(user) else None


def _refuse_users_only(provider: AccountProvider) -> None:
    """Raise ImproperlyConfigured for a provider that knows Django users only.

    To it the id of an account from elsewhere would be a user's primary key.
    """
    if type(provider).get_account is DjangoUserProvider.get_account:
        raise ImproperlyConfigured(
            "A session is one of django_secure_session.login(), and "
            f"{type(provider).__qualname__} knows Django users only. Name an "
            'AccountProvider in SECURE_SESSION["ACCOUNT_PROVIDER"] whose get_account() '
            "knows the accounts that log in so."
        )


def is_proven(user: Any) -> bool:
    """Tell whether Django has compared a user's session hash.

    It does not for a model without one; then nothing but an id speaks for the user.
    """
    return bool(user.is_authenticated) and hasattr(user, "get_session_auth_hash")


def ask(provider: AccountProvider, account_of: AccountOf, old: Claims | None) -> Answer:
    """Return account and organisation as they are now.

    Whoever is no longer a member acts for no organisation, rather than for another
    one without a word. Raise TypeError for what a provider can't have meant.
    """
    if old is not None:
        org = as_org(provider.get_org(old.account.id, old.org.id)) if old.org else None
        account = as_account(account_of(org.id if org else None))
        if account is None or account.id == old.account.id:
            return account, org
    account = as_account(account_of(None))
    org = as_org(provider.get_org(account.id, None)) if account else None
    return (as_account(account_of(org.id)) if org else account), org


async def aask(
    provider: AccountProvider, account_of: AsyncAccountOf, old: Claims | None
) -> Answer:
    """See :func:`ask`."""
    org: Org | None = None
    if old is not None:
        if old.org:
            org = as_org(await provider.aget_org(old.account.id, old.org.id))
        account = as_account(await account_of(org.id if org else None))
        if account is None or account.id == old.account.id:
            return account, org
    account = as_account(await account_of(None))
    org = as_org(await provider.aget_org(account.id, None)) if account else None
    return (as_account(await account_of(org.id)) if org else account), org


def as_account(answer: object) -> Account | None:
    """Return what a provider has answered. Raise TypeError for no Account."""
    if answer is None or isinstance(answer, Account):
        return answer
    raise _no_answer(answer, "Account")


def as_org(answer: object) -> Org | None:
    """Return what a provider has answered. Raise TypeError for no Org."""
    if answer is None or isinstance(answer, Org):
        return answer
    raise _no_answer(answer, "Org")


def _no_answer(answer: object, kind: str) -> TypeError:
    return TypeError(
        f"ACCOUNT_PROVIDER has returned a {type(answer).__name__}; it must be an "
        f"{kind} or None."
    )


@contextmanager
def asking(session: SessionStore) -> Iterator[None]:
    """Raise StoreUnavailable where the provider's database is down."""
    try:
        with reaching(ACCOUNTS):
            yield
    except StoreUnavailable:  # a provider with a store of its own says so itself
        session.unavailable = True
        raise


ACCOUNTS = "The database with the accounts"


@contextmanager
def reaching(store: str) -> Iterator[None]:
    """Raise StoreUnavailable where a database is down. *store* begins a sentence."""
    try:
        yield
    except (InterfaceError, OperationalError) as error:
        raise unavailable(store, error) from error
