"""The registry: log-out that means it, for sessions that are all in their cookie.

``INSTALLED_APPS += ["django_secure_session.registry"]`` and ``manage.py migrate``. From
then on a copy of a cookie is dead once its session has ended, wherever that was.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django_secure_session.registry.sessions import (
        aaccount_changed as aaccount_changed,
    )
    from django_secure_session.registry.sessions import (
        aactive_sessions as aactive_sessions,
    )
    from django_secure_session.registry.sessions import (
        account_changed as account_changed,
    )
    from django_secure_session.registry.sessions import (
        active_sessions as active_sessions,
    )
    from django_secure_session.registry.sessions import (
        acurrent_handle as acurrent_handle,
    )
    from django_secure_session.registry.sessions import arevoke as arevoke
    from django_secure_session.registry.sessions import (
        arevoke_account as arevoke_account,
    )
    from django_secure_session.registry.sessions import arevoke_others as arevoke_others
    from django_secure_session.registry.sessions import current_handle as current_handle
    from django_secure_session.registry.sessions import revoke as revoke
    from django_secure_session.registry.sessions import revoke_account as revoke_account
    from django_secure_session.registry.sessions import revoke_others as revoke_others

__all__ = [
    "aaccount_changed",
    "aactive_sessions",
    "account_changed",
    "active_sessions",
    "acurrent_handle",
    "arevoke",
    "arevoke_account",
    "arevoke_others",
    "current_handle",
    "revoke",
    "revoke_account",
    "revoke_others",
]


def __getattr__(name: str) -> object:
    # At the first use: Django imports this package before any model may be.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.sessions"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
