"""The Django app."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in
from django.core import checks


class SecureSessionConfig(AppConfig):
    """Registers the system checks, and listens to Django's log-ins.

    ``INSTALLED_APPS += ["django_secure_session"]``
    """

    name = "django_secure_session"
    label = "secure_session"
    verbose_name = "Secure session"

    def ready(self) -> None:
        """Register the checks, and what seals claims at a log-in of Django's."""
        from django_secure_session.checks import (
            check_deployment,
            check_guards,
            check_settings,
        )

        user_logged_in.connect(_receive_log_in, dispatch_uid="secure_session.log_in")
        checks.register(check_settings)
        checks.register(check_guards)
        checks.register(check_deployment, checks.Tags.security, deploy=True)


def _receive_log_in(**named: Any) -> None:
    # Imported late: with a broken key that raises, and genkey must run all the same.
    from django_secure_session.accounts.receivers import receive_log_in

    receive_log_in(**named)
