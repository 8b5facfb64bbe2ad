"""What the checks say of a site with API keys."""

from __future__ import annotations

import pytest

from django_secure_session import Account, AccountProvider
from django_secure_session.api_keys.checks import check_api_keys


class OfUsersOnly(AccountProvider):
    def account_for_user(self, user, org_id):
        return Account(id=str(user.pk), role="user", verified=False)


class OfAll(OfUsersOnly):
    def get_account(self, account_id, org_id):
        return Account(id=account_id, role="user", verified=False)


def found(settings, provider: str, **options: object) -> list[str]:
    settings.SECURE_SESSION = {
        **settings.SECURE_SESSION,
        **options,
        "ACCOUNT_PROVIDER": provider,
    }
    return [message.id for message in check_api_keys()]


def test_a_provider_that_knows_no_owner_is_an_error(settings):
    assert found(settings, f"{__name__}.OfUsersOnly") == ["secure_session.E012"]
    (error,) = check_api_keys()
    assert f"{__name__}.OfUsersOnly has no get_account()" in error.msg
    assert "get_account(account_id, org_id)" in error.hint


@pytest.mark.parametrize(
    "provider",
    [f"{__name__}.OfAll", "django_secure_session.accounts.DjangoUserProvider"],
)
def test_one_that_knows_owners_is_fine(settings, provider):
    assert found(settings, provider) == []


def test_the_provider_of_a_named_session_has_no_say(settings):
    named = {"staff": {"ACCOUNT_PROVIDER": f"{__name__}.OfUsersOnly"}}
    assert found(settings, f"{__name__}.OfAll", SESSIONS=named) == []


@pytest.mark.parametrize("provider", ["no.such.Provider", f"{__name__}.found", ""])
def test_one_that_is_none_is_for_another_check(settings, provider):
    assert found(settings, provider) == []


def test_so_are_settings_that_are_wrong(settings):
    assert found(settings, f"{__name__}.OfUsersOnly", KEY="") == []
