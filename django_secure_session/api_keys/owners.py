"""Whose a key is, as the site's provider says now."""

from __future__ import annotations

from typing import Literal, NamedTuple

from django.utils.translation import gettext

from django_secure_session import conf
from django_secure_session.accounts import AccountProvider, get_provider
from django_secure_session.accounts.asking import (
    ACCOUNTS,
    as_account,
    as_org,
    reaching,
)
from django_secure_session.identity import Account, Org


class Owner(NamedTuple):
    """What the provider says of the account and the organisation of a key."""

    account: Account | None
    org: Org | None


def owner(account_id: str, org_id: str | None) -> Owner:
    """Ask the provider for an account, and for an organisation if one is given.

    A role in it is asked of members only. Raise StoreUnavailable, and whatever the
    provider raises.
    """
    provider = _provider()
    with reaching(ACCOUNTS):
        org = as_org(provider.get_org(account_id, org_id)) if org_id else None
        account = provider.get_account(account_id, org.id if org else None)
    return Owner(as_account(account), org)


async def aowner(account_id: str, org_id: str | None) -> Owner:
    """See :func:`owner`."""
    provider = _provider()
    with reaching(ACCOUNTS):
        org = as_org(await provider.aget_org(account_id, org_id)) if org_id else None
        account = await provider.aget_account(account_id, org.id if org else None)
    return Owner(as_account(account), org)


def _provider() -> AccountProvider:
    # The site's own: a key is the site's, whatever session a URL has.
    return get_provider(conf.get_config().account_provider)


class Objection(NamedTuple):
    """What stands against a key for an account, and which argument is to blame."""

    field: Literal["account_id", "org_id"]
    text: str


def objection(account_id: str, org_id: str | None) -> Objection | None:
    """Tell why a key for an account, and an organisation, would be refused everywhere.

    The provider is asked what it is asked when a key comes in. Raise what that raises.
    """
    account, org = owner(account_id, org_id)
    if account is None:
        return Objection("account_id", _no_account(account_id))
    if account.id != account_id:
        return Objection("account_id", _other_name(account.id))
    if org_id and org is None:
        return Objection("org_id", _no_member(account_id, org_id))
    if org and org.id != org_id:
        return Objection("org_id", _other_name(org.id))
    return None


def _no_account(account_id: str) -> str:
    return gettext(
        "ACCOUNT_PROVIDER knows no account %(id)r, so no request with this key would "
        "be let in. Give the account's id, which for Django's users is the primary key."
    ) % {"id": account_id}


def _no_member(account_id: str, org_id: str) -> str:
    return gettext(
        "To ACCOUNT_PROVIDER the account %(id)r is no member of %(org)r, so no request "
        "with this key would be let in. Make it a member, or leave the organisation "
        "out."
    ) % {"id": account_id, "org": org_id}


def _other_name(known_as: str) -> str:
    return gettext("ACCOUNT_PROVIDER has %(id)r for the id of this; give that.") % {
        "id": known_as
    }
