"""The Django app."""

from __future__ import annotations

from django.apps import AppConfig
from django.core import checks
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from django_secure_session import conf
from django_secure_session.protocols import KeyVerifier


class ApiKeysConfig(AppConfig):
    """Gives the guards something that checks keys."""

    name = "django_secure_session.api_keys"
    label = conf.API_KEYS_LABEL
    verbose_name = _("API keys")

    @cached_property
    def verifier(self) -> KeyVerifier:
        """Return what checks keys."""
        # Imported late: with a broken key that raises, and genkey must run.
        from django_secure_session.api_keys.authentication import Verifier

        return Verifier()

    def ready(self) -> None:
        """Register the checks."""
        from django_secure_session.api_keys.checks import check_api_keys

        checks.register(check_api_keys)
