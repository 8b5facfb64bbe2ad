"""The Django app."""

from __future__ import annotations

from django.apps import AppConfig
from django.core import checks


class SecureSessionConfig(AppConfig):
    """Registers the system checks; ``INSTALLED_APPS += ["django_secure_session"]``."""

    name = "django_secure_session"
    label = "secure_session"
    verbose_name = "Secure session"

    def ready(self) -> None:
        """Register the checks."""
        from django_secure_session.checks import check_deployment, check_settings

        checks.register(check_settings)
        checks.register(check_deployment, checks.Tags.security, deploy=True)
