"""What optional apps do, for the layers below them.

Looked up once: each request asks.
"""

from __future__ import annotations

import functools
from typing import Any

from django.apps import apps

from django_secure_session.conf.site import (
    API_KEYS,
    API_KEYS_LABEL,
    REGISTRY,
    REGISTRY_LABEL,
)
from django_secure_session.protocols import KeyVerifier, SessionRevoker


@functools.cache
def revoker() -> SessionRevoker | None:
    """Return what knows which log-ins have ended, None where no app does."""
    app = _installed(REGISTRY, REGISTRY_LABEL)
    return app and app.revoker  # type: ignore[no-any-return]


@functools.cache
def verifier() -> KeyVerifier | None:
    """Return what tells whom an API key speaks for, None where no app does."""
    app = _installed(API_KEYS, API_KEYS_LABEL)
    return app and app.verifier  # type: ignore[no-any-return]


def _installed(name: str, label: str) -> Any:
    return apps.get_app_config(label) if apps.is_installed(name) else None
