"""Where accounts come from: Django's users, and providers of a site's own."""

from __future__ import annotations

import dataclasses
import enum
from types import SimpleNamespace

import pytest
from asgiref.sync import SyncToAsync, async_to_sync
from django.apps import apps
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.utils.functional import lazystr

from django_secure_session import Account, AccountProvider, DjangoUserProvider
from django_secure_session.accounts import get_provider
from tests.accounts_site import (
    ACME,
    ADA,
    MAX_AGE,
    NOBODY,
    AsyncPeople,
    OwnUsers,
    People,
    claims_of,
    provider_path,
    says,
)
from tests.accounts_site import ada as ada
from tests.accounts_site import people as people
from tests.accounts_site import visitor as visitor
from tests.spilling import hops as hops
from tests.visits import cookie, site

DJANGO_USERS = "django_secure_session.accounts.DjangoUserProvider"
PROVIDER = DjangoUserProvider()


@pytest.fixture(params=["sync", "async"])
def asked(request):
    """Return a function that asks a provider, or its twin."""

    def ask(provider, name, *args):
        if request.param == "sync":
            return getattr(provider, name)(*args)
        return async_to_sync(getattr(provider, f"a{name}"))(*args)

    return ask


@pytest.fixture
def account_of(asked, db):
    """Return a function that tells the account of a Django user."""
    return lambda user: asked(PROVIDER, "account_for_user", user, None)


@pytest.fixture
def django_users(settings):
    settings.SECURE_SESSION = site(ACCOUNT_PROVIDER=DJANGO_USERS)


def use(settings, provider):
    settings.SECURE_SESSION = site(ACCOUNT_PROVIDER=provider_path(provider))


def user(**attributes):
    made = User(pk=7, username="ada")
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


# Django's users


def test_the_id_is_the_primary_key(account_of):
    assert account_of(user()).id == "7"


@pytest.mark.parametrize(
    ("attributes", "role"),
    [
        ({}, "user"),
        ({"is_staff": True}, "staff"),
        ({"is_superuser": True}, "superuser"),
        ({"is_staff": True, "is_superuser": True}, "superuser"),
        ({"role": "owner"}, "owner"),
        ({"role": "owner", "is_superuser": True}, "owner"),
        ({"role": ""}, "user"),
        ({"role": None, "is_staff": True}, "staff"),
        ({"role": 5}, "user"),
        ({"role": ["admin"]}, "user"),
        ({"role": lambda: "admin"}, "user"),
        ({"role": lazystr("admin")}, "user"),
    ],
)
def test_the_role_is_a_text_of_the_user_or_says_what_django_knows(
    account_of, attributes, role
):
    assert account_of(user(**attributes)).role == role


class Choice(models.TextChoices):
    OWNER = "owner", "The owner"


class TextEnum(str, enum.Enum):  # noqa: UP042
    OWNER = "owner"


class StrEnum(enum.StrEnum):
    OWNER = "owner"


@pytest.mark.parametrize("choice", [Choice.OWNER, TextEnum.OWNER, StrEnum.OWNER])
def test_the_role_of_an_enumeration_is_its_value(account_of, choice):
    role = account_of(user(role=choice)).role

    assert (type(role), role) == (str, "owner")


@pytest.mark.parametrize("flag", ["verified", "is_verified"])
@pytest.mark.parametrize(
    ("value", "verified"),
    [
        (True, True),
        (False, False),
        (None, False),
        (1, False),
        ("yes", False),
        (lambda: True, False),  # a method, as django-otp has it
        (lambda self: True, False),
    ],
)
def test_only_the_value_true_verifies(account_of, flag, value, verified):
    assert account_of(user(**{flag: value})).verified is verified


def test_nobody_is_verified_where_the_site_does_not_say(account_of):
    assert account_of(user()).verified is False


def test_a_method_of_the_model_does_not_verify(account_of, monkeypatch):
    monkeypatch.setattr(User, "is_verified", lambda self: True, raising=False)

    assert account_of(user()).verified is False


# django-allauth


class Addresses:
    """Stands in for the manager of allauth's EmailAddress."""

    def __init__(self, *rows) -> None:
        self.rows = rows
        self.asked = []

    def filter(self, **wanted):
        found = [r for r in self.rows if wanted.items() <= r.items()]
        return SimpleNamespace(
            exists=lambda: self._tell("exists", found),
            aexists=lambda: self._atell("aexists", found),
        )

    def _tell(self, name, found):
        self.asked.append(name)
        return bool(found)

    async def _atell(self, name, found):
        return self._tell(name, found)


def address(owner, *, primary, verified):
    return {"user": owner, "primary": primary, "verified": verified}


@pytest.fixture
def allauth(monkeypatch):
    """Return a function that installs allauth with these addresses."""
    is_installed, get_model = apps.is_installed, apps.get_model

    def install(*rows):
        addresses = Addresses(*rows)
        model = SimpleNamespace(_default_manager=addresses)
        monkeypatch.setattr(
            apps,
            "is_installed",
            lambda name: name == "allauth.account" or is_installed(name),
        )
        monkeypatch.setattr(
            apps,
            "get_model",
            lambda *names, **options: (
                model
                if names == ("account", "EmailAddress")
                else get_model(*names, **options)
            ),
        )
        return addresses

    return install


@pytest.mark.parametrize("primary", [True, False])
@pytest.mark.parametrize("verified", [True, False])
def test_with_allauth_the_primary_address_has_to_be_verified(
    account_of, allauth, primary, verified
):
    owner = user()
    allauth(address(owner, primary=primary, verified=verified))

    assert account_of(owner).verified is (primary and verified)


def test_with_allauth_a_verified_address_beside_the_primary_one_does_not_count(
    account_of, allauth
):
    owner = user()
    allauth(
        address(owner, primary=True, verified=False),
        address(owner, primary=False, verified=True),
    )

    assert account_of(owner).verified is False


def test_with_allauth_another_user_s_address_does_not_count(account_of, allauth):
    allauth(address(User(pk=8), primary=True, verified=True))

    assert account_of(user()).verified is False


def test_with_allauth_a_flag_of_the_user_does_not_count(account_of, allauth):
    allauth()

    assert account_of(user(verified=True, is_verified=True)).verified is False


def test_with_allauth_there_is_one_query(asked, allauth, db):
    owner = user()
    addresses = allauth(address(owner, primary=True, verified=True))
    asked(PROVIDER, "account_for_user", owner, None)

    assert addresses.asked in (["exists"], ["aexists"])


# Django users by their id


def test_an_id_is_that_of_a_django_user(asked, ada):
    expected = Account(id=str(ada.pk), role="user", verified=False)

    assert asked(PROVIDER, "get_account", str(ada.pk), None) == expected


def test_a_disabled_user_has_no_account(asked, ada):
    ada.is_active = False
    ada.save()

    assert asked(PROVIDER, "get_account", str(ada.pk), None) is None


NO_IDS = ["0", "-1", "abc", "", " ", "1.5", "9" * 30, "9" * 5000, "a\0b", "\ud800"]


@pytest.mark.parametrize("account_id", NO_IDS, ids=ascii)
def test_an_id_of_nobody_has_no_account(asked, ada, account_id):
    assert asked(PROVIDER, "get_account", account_id, None) is None


@pytest.mark.parametrize("org_id", [None, "acme"])
def test_django_users_act_for_no_organisation(asked, org_id):
    assert asked(PROVIDER, "get_org", "1", org_id) is None


def test_the_default_provider_is_that_of_django_users(settings, visitor, ada, clock):
    settings.SECURE_SESSION = {"KEY": settings.SECURE_SESSION["KEY"]}
    visitor.do(lambda on: on.log_in_django(ada))
    account = Account(id=str(ada.pk), role="user", verified=False)
    assert visitor.who() == says(account)

    User.objects.update(is_superuser=True)
    clock.tick(MAX_AGE)
    superuser = Account(id=str(ada.pk), role="superuser", verified=False)
    assert visitor.who() == says(superuser)


def test_reading_the_claims_of_a_django_user_takes_one_query(
    visitor, django_users, ada, clock, django_assert_num_queries
):
    visitor.do(lambda on: on.log_in_django(ada))
    clock.tick(MAX_AGE)

    with django_assert_num_queries(1):
        visitor.who()
    with django_assert_num_queries(0):
        visitor.who()


def test_reading_the_claims_of_another_account_takes_one_query(
    visitor, settings, ada, django_assert_num_queries
):
    use(settings, OwnUsers)
    account = Account(id=str(ada.pk), role="user", verified=False)
    visitor.come_with(claims_of(account, age=MAX_AGE))

    with django_assert_num_queries(1):
        assert visitor.who() == says(account)


# Async twins


@pytest.fixture
def threads(monkeypatch):
    """List what went through a thread, Django's own queries apart."""
    made = []
    hop = SyncToAsync.__call__

    async def counted(self, *args, **kwargs):
        if not self.func.__module__.startswith("django.db"):
            made.append(self.func.__name__)
        return await hop(self, *args, **kwargs)

    monkeypatch.setattr(SyncToAsync, "__call__", counted)
    return made


def test_the_twins_of_the_django_users_need_no_thread_but_for_queries(
    ada, hops, threads
):
    async def ask():
        await PROVIDER.aaccount_for_user(ada, None)
        await PROVIDER.aget_account(str(ada.pk), None)
        await PROVIDER.aget_org(str(ada.pk), None)
        await PROVIDER.aget_org(str(ada.pk), "acme")

    async_to_sync(ask)()

    assert hops == threads == []


def test_a_twin_that_a_provider_does_not_have_is_its_method_in_a_thread(threads):
    provider = People()
    People.reset()

    assert async_to_sync(provider.aget_account)("ada", None) == ADA
    assert async_to_sync(provider.aget_org)("ada", None) == ACME
    assert threads == ["get_account", "get_org"]


def test_a_twin_that_a_provider_has_is_asked_itself(threads):
    AsyncPeople.reset()

    assert async_to_sync(AsyncPeople().aget_account)("ada", None) == ADA
    assert AsyncPeople.asked == [("aget_account", "ada", None)]
    assert threads == []


class Members(DjangoUserProvider):
    """Has roles of its own, and says so in one of two spellings only."""

    def account_for_user(self, user, org_id):
        return Account(id=str(user.pk), role="member", verified=True)


def test_a_method_that_a_site_overrides_counts_for_its_twin_too(asked, ada):
    account = asked(Members(), "account_for_user", ada, None)

    assert account.role == "member"


def test_a_method_that_a_site_overrides_counts_where_the_twins_call_it(asked, ada):
    account = asked(Members(), "get_account", str(ada.pk), None)

    assert account.role == "member"


class Roles:
    """Has roles of its own, and is no provider."""

    def account_for_user(self, user, org_id):
        return Account(id=str(user.pk), role="member", verified=True)


class Mixed(Roles, DjangoUserProvider):
    """Overrides by what it is mixed with."""


def test_a_method_that_is_mixed_in_counts_for_its_twin_too(asked, ada):
    assert asked(Mixed(), "account_for_user", ada, None).role == "member"
    assert asked(Mixed(), "get_account", str(ada.pk), None).role == "member"


class Grandchild(Members):
    """Overrides nothing."""


class Promoting(Members):
    """Asks what it overrides."""

    def account_for_user(self, user, org_id):
        account = super().account_for_user(user, org_id)
        return dataclasses.replace(account, role=f"chief {account.role}")


def test_an_overridden_method_counts_for_the_twins_of_a_class_below(asked, ada):
    assert asked(Grandchild(), "account_for_user", ada, None).role == "member"
    assert asked(Promoting(), "account_for_user", ada, None).role == "chief member"


class Static(DjangoUserProvider):
    """Needs no self."""

    @staticmethod
    def get_org(account_id, org_id):
        return ACME


def test_an_overridden_method_may_need_no_self(asked):
    assert asked(Static(), "get_org", "ada", None) == ACME


class Blocked(DjangoUserProvider):
    """Keeps everybody out."""

    def get_account(self, account_id, org_id):
        return None


def test_an_overridden_look_up_by_id_counts_for_its_twin_too(asked, ada):
    assert asked(Blocked(), "get_account", str(ada.pk), None) is None


def test_an_overridden_method_counts_in_requests_to_either_server(
    visitor, settings, ada, clock
):
    use(settings, Members)
    visitor.do(lambda on: on.log_in_django(ada))
    member = says(Account(id=str(ada.pk), role="member", verified=True))
    assert visitor.who() == member

    clock.tick(MAX_AGE)
    assert visitor.who() == member


# What a site's own provider may get wrong


def test_a_provider_without_accounts_by_id_says_what_is_missing(asked):
    class Empty(AccountProvider):
        pass

    with pytest.raises(NotImplementedError, match=r"Empty needs get_account\("):
        asked(Empty(), "get_account", "ada", None)


def test_a_provider_without_accounts_for_users_keeps_them_out(asked):
    assert asked(AccountProvider(), "account_for_user", user(), None) is None


class Returning(People):
    """Returns something else than what it is asked for."""

    account: object = None
    org: object = None

    def get_account(self, account_id, org_id):
        return self.account

    account_for_user = get_account

    def get_org(self, account_id, org_id):
        return self.org


@pytest.fixture
def returning(settings, monkeypatch):
    """Return a function that makes the provider return wrong things."""
    use(settings, Returning)

    def make(account=ADA, org=None):
        monkeypatch.setattr(Returning, "account", account)
        monkeypatch.setattr(Returning, "org", org)

    return make


class Row:
    """Has all that an account has, and is none: an instance of a model."""

    def __init__(self, **fields) -> None:
        self.__dict__.update(fields)


NO_ACCOUNTS = {
    "an id": "ada",
    "a dict": {"id": "ada", "role": "admin", "verified": True},
    "a row": Row(id=1, role="admin", verified=True),
    "a row with a text for an id": Row(id="ada", role="admin", verified=True),
}
NO_ORGS = {"an id": "acme", "a row": Row(id=5)}


@pytest.mark.parametrize("account", NO_ACCOUNTS.values(), ids=NO_ACCOUNTS)
def test_what_a_provider_returns_instead_of_an_account_is_refused(
    visitor, returning, account
):
    returning(account=account)
    visitor.come_with(claims_of(ADA, age=MAX_AGE))
    answer = visitor.ask(lambda on: on.who())

    assert isinstance(visitor.error, TypeError)
    assert "Account" in str(visitor.error)
    assert (answer.status, cookie(answer)) == (500, None)


@pytest.mark.parametrize("org", NO_ORGS.values(), ids=NO_ORGS)
def test_what_a_provider_returns_instead_of_an_organisation_is_refused(
    visitor, returning, org
):
    returning(org=org)
    visitor.come_with(claims_of(ADA, ACME, age=MAX_AGE))
    answer = visitor.ask(lambda on: on.who())

    assert isinstance(visitor.error, TypeError)
    assert "Org" in str(visitor.error)
    assert (answer.status, cookie(answer)) == (500, None)


@pytest.mark.parametrize("account", NO_ACCOUNTS.values(), ids=NO_ACCOUNTS)
def test_a_log_in_is_refused_where_the_provider_returns_no_account(
    visitor, returning, ada, account
):
    returning(account=account)
    answer = visitor.ask(lambda on: on.log_in_django(ada))

    assert isinstance(visitor.error, TypeError)
    assert (answer.status, cookie(answer)) == (500, None)


class Unfinished(People):
    def get_account(self, account_id, org_id):
        return Account(id=5, role="user", verified=True)


def test_an_account_with_a_number_for_an_id_says_what_is_wrong(visitor, settings):
    use(settings, Unfinished)
    visitor.come_with(claims_of(ADA, age=MAX_AGE))
    visitor.ask(lambda on: on.who())

    assert isinstance(visitor.error, TypeError)
    assert "str(user.pk)" in str(visitor.error)


class Failing(Exception):
    pass


@pytest.mark.parametrize("error", [Failing("x"), ValueError("x"), LookupError("x")])
def test_other_errors_of_a_provider_pass_through(visitor, people, error):
    visitor.come_with(claims_of(ADA, age=MAX_AGE))
    people.error = error

    answer = visitor.ask(lambda on: on.who())
    assert visitor.error is error
    assert (answer.status, cookie(answer)) == (500, None)


def test_a_provider_that_keeps_a_user_out_in_an_organisation_keeps_him_out(
    visitor, settings, ada
):
    use(settings, Outside)
    visitor.do(lambda on: on.log_in_django(ada))

    assert visitor.who() == NOBODY


class Outside(People):
    """Has no accounts inside organisations."""

    def account_for_user(self, user, org_id):
        return None if org_id else super().account_for_user(user, org_id)


# The setting


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("nowhere.Provider", "can't be imported"),
        ("tests.accounts_site.Missing", "can't be imported"),
        ("tests.accounts_site.ADA", "must be a subclass"),
        ("tests.accounts_site.Visitor", "must be a subclass"),
        ("django.contrib.auth.login", "must be a subclass"),
    ],
)
def test_a_wrong_provider_does_not_boot(visitor, settings, path, says):
    settings.SECURE_SESSION = site(ACCOUNT_PROVIDER=path)

    with pytest.raises(ImproperlyConfigured, match=says) as caught:
        visitor.ask(lambda on: on.who())
    assert path in str(caught.value)


@pytest.mark.parametrize("path", [None, 5, "Provider", "", DjangoUserProvider])
def test_a_provider_is_a_dotted_path(visitor, settings, path):
    settings.SECURE_SESSION = site(ACCOUNT_PROVIDER=path)

    with pytest.raises(ImproperlyConfigured, match="dotted path"):
        visitor.ask(lambda on: on.who())


def test_a_provider_is_made_once():
    assert get_provider(DJANGO_USERS) is get_provider(DJANGO_USERS)


@pytest.mark.parametrize(
    "ask",
    [
        DjangoUserProvider().get_account,
        async_to_sync(DjangoUserProvider().aget_account),
    ],
    ids=["sync", "async"],
)
def test_a_site_without_users_is_told_to_name_a_provider(monkeypatch, ask):
    monkeypatch.setattr(apps, "is_installed", lambda app: app != "django.contrib.auth")

    with pytest.raises(ImproperlyConfigured, match="ACCOUNT_PROVIDER"):
        ask("1", None)
