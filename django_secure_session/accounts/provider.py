"""Where accounts come from: the one thing a site may have to write itself."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.exceptions import (
    ImproperlyConfigured,
    ObjectDoesNotExist,
    ValidationError,
)
from django.utils.module_loading import import_string

from django_secure_session.identity import Account, Org

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.db.models import Model, QuerySet


class AccountProvider:
    """What ACCOUNT_PROVIDER names a subclass of.

    The methods are called at log-in, when CLAIMS_MAX_AGE has passed, when the
    organisation is switched, and in each request with an API key. Their ``a...`` twins
    run them in a thread; override those where there is an async way. What they raise,
    the request raises.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Give each method that a class overrides its own twin.

        Or an inherited twin would answer async code without it.
        """
        super().__init_subclass__(**kwargs)
        for name in ("account_for_user", "get_account", "get_org"):
            base = _definer(cls, name)
            if cls.__mro__.index(base) < cls.__mro__.index(_definer(cls, f"a{name}")):
                setattr(cls, f"a{name}", _in_thread(vars(base)[name]))

    def account_for_user(
        self, user: AbstractBaseUser, org_id: str | None
    ) -> Account | None:
        """Return a Django user's account, with the role in an organisation.

        None keeps the user out. Sites without a user model need no such method.
        """
        return None

    def get_account(self, account_id: str, org_id: str | None) -> Account | None:
        """Return an account by its id, with its role in an organisation.

        None for one that is deleted or disabled.
        """
        raise NotImplementedError(
            f"{type(self).__qualname__} needs get_account(account_id, org_id) for "
            "accounts that are no Django users."
        )

    def get_org(self, account_id: str, org_id: str | None) -> Org | None:
        """Return an organisation if the account is a member, None otherwise.

        With an *org_id* of None return the one to act for after a log-in, if any.
        """
        return None

    async def aaccount_for_user(
        self, user: AbstractBaseUser, org_id: str | None
    ) -> Account | None:
        """See :meth:`account_for_user`."""
        return self.account_for_user(user, org_id)

    async def aget_account(self, account_id: str, org_id: str | None) -> Account | None:
        """See :meth:`get_account`."""
        return self.get_account(account_id, org_id)

    async def aget_org(self, account_id: str, org_id: str | None) -> Org | None:
        """See :meth:`get_org`."""
        return self.get_org(account_id, org_id)


def _definer(cls: type, name: str) -> type:
    return next(base for base in cls.__mro__ if name in vars(base))


def _in_thread(method: Any) -> Callable[..., Awaitable[Any]]:
    async def twin(self: AccountProvider, *args: Any) -> Any:
        return await sync_to_async(method.__get__(self, type(self)))(*args)

    return twin


class DjangoUserProvider(AccountProvider):
    """Accounts are the site's Django users; there are no organisations.

    The id is the primary key. The role is ``user.role`` if that is a text, else
    "superuser", "staff" or "user". Verified is one whose primary address
    django-allauth has verified, where that is installed, else one whose ``verified``
    or ``is_verified`` is True.
    """

    def account_for_user(
        self, user: AbstractBaseUser, org_id: str | None
    ) -> Account | None:
        """Return the user's account."""
        addresses = _verified_addresses(user)
        verified = _has_flag(user) if addresses is None else addresses.exists()
        return Account(id=str(user.pk), role=_role(user), verified=verified)

    async def aaccount_for_user(
        self, user: AbstractBaseUser, org_id: str | None
    ) -> Account | None:
        """See :meth:`account_for_user`."""
        addresses = _verified_addresses(user)
        verified = _has_flag(user) if addresses is None else await addresses.aexists()
        return Account(id=str(user.pk), role=_role(user), verified=verified)

    def get_account(self, account_id: str, org_id: str | None) -> Account | None:
        """Return the account of the active user with a primary key."""
        try:
            user = _users().get(pk=account_id)
        except (ObjectDoesNotExist, ValidationError, ValueError):
            return None
        return self.account_for_user(user, org_id) if _is_active(user) else None

    async def aget_account(self, account_id: str, org_id: str | None) -> Account | None:
        """See :meth:`get_account`."""
        try:
            user = await _users().aget(pk=account_id)
        except (ObjectDoesNotExist, ValidationError, ValueError):
            return None
        return await self.aaccount_for_user(user, org_id) if _is_active(user) else None


@functools.cache
def get_provider(path: str) -> AccountProvider:
    """Return the provider that a dotted path names. Raise ImproperlyConfigured."""
    try:
        provider_class = import_string(path)
    except ImportError as error:
        raise ImproperlyConfigured(
            f"ACCOUNT_PROVIDER {path!r} can't be imported: {error}."
        ) from error
    if isinstance(provider_class, type) and issubclass(provider_class, AccountProvider):
        return provider_class()
    raise ImproperlyConfigured(
        f"ACCOUNT_PROVIDER {path!r} must be a subclass of "
        "django_secure_session.accounts.AccountProvider."
    )


def _users() -> QuerySet[Any]:
    if not apps.is_installed("django.contrib.auth"):
        raise ImproperlyConfigured(
            "This site has no Django users (django.contrib.auth is not installed), so "
            'SECURE_SESSION["ACCOUNT_PROVIDER"] has to name a provider of its own.'
        )
    users: QuerySet[Any] = get_user_model()._default_manager.all()
    return users


def _is_active(user: AbstractBaseUser) -> bool:
    return bool(getattr(user, "is_active", True))


def _role(user: AbstractBaseUser) -> str:
    role = getattr(user, "role", None)
    if isinstance(role, str) and role:
        return str.__str__(role)  # the text of an enumeration's member
    if getattr(user, "is_superuser", False):
        return "superuser"
    return "staff" if getattr(user, "is_staff", False) else "user"


def _has_flag(user: AbstractBaseUser) -> bool:
    # Some libraries have methods of these names, which would be true for everybody.
    flags = (getattr(user, "verified", None), getattr(user, "is_verified", None))
    return any(flag is True for flag in flags)


_ALLAUTH_ADDRESS = ("account", "EmailAddress")


def _verified_addresses(user: AbstractBaseUser) -> QuerySet[Model] | None:
    """Return django-allauth's verified primary address, None where it is not used."""
    if not apps.is_installed("allauth.account"):
        return None
    address: type[Model] = apps.get_model(*_ALLAUTH_ADDRESS)
    return address._default_manager.filter(user=user, primary=True, verified=True)
