"""The Django app."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig, apps
from django.contrib.auth import get_user_model
from django.core import checks
from django.db.models.signals import post_save, pre_delete
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from django_secure_session import conf
from django_secure_session.protocols import SessionRevoker


class RegistryConfig(AppConfig):
    """Gives the sessions something that knows which of them have ended."""

    name = "django_secure_session.registry"
    label = conf.REGISTRY_LABEL
    verbose_name = _("Sessions")
    default_auto_field = "django.db.models.BigAutoField"

    @cached_property
    def revoker(self) -> SessionRevoker:
        """Return what knows that."""
        # Imported late: with a broken key that raises, and genkey must run.
        from django_secure_session.registry.revoker import Revoker

        return Revoker()

    def ready(self) -> None:
        """Register the checks, and listen for users who are saved or deleted."""
        from django_secure_session.registry.checks import (
            check_registry,
            check_registry_deployment,
        )

        checks.register(check_registry)
        checks.register(check_registry_deployment, checks.Tags.security, deploy=True)
        if apps.is_installed("django.contrib.auth"):
            # From whichever model: proxies and children of the user's have their own.
            post_save.connect(_receive_save, dispatch_uid=f"{self.label}.saved")
            # From those alone: where anybody listens, Django loads what it deletes.
            user_model = get_user_model()
            for model in apps.get_models():
                if issubclass(model, user_model):
                    pre_delete.connect(_receive_delete, model)


# Imported late, as above.


def _receive_save(**named: Any) -> None:
    from django_secure_session.registry.receivers import receive_save

    receive_save(**named)


def _receive_delete(**named: Any) -> None:
    from django_secure_session.registry.receivers import receive_delete

    receive_delete(**named)
