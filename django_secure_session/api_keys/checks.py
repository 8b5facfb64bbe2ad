"""What can be wrong about a site with API keys."""

from __future__ import annotations

from collections.abc import Sequence

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

from django_secure_session import conf


def check_api_keys(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: object
) -> list[CheckMessage]:
    """Report a provider that can't tell who the owner of a key is."""
    try:
        # Imported late: with a broken key that raises, and check_settings says so.
        from django_secure_session.accounts import AccountProvider, get_provider

        path = conf.get_config().account_provider
        provider = type(get_provider(path))
    except ImproperlyConfigured:
        return []  # the checks of the sessions say so
    if provider.get_account is not AccountProvider.get_account:
        return []
    return [
        Error(
            f"{path} has no get_account(), so no API key has an owner.",
            hint="Give it get_account(account_id, org_id), which returns an Account, "
            "or None for one that is deleted or disabled.",
            id="secure_session.E012",
        )
    ]
