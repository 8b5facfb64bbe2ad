"""The engine that the middleware works with."""

from __future__ import annotations

from importlib import import_module
from typing import Any, cast

from django.core.exceptions import ImproperlyConfigured

from django_secure_session import conf
from django_secure_session.backends.encrypted_cookies import SessionStore


def session_class(who: str) -> type[SessionStore]:
    """Return the class of the site's sessions.

    Raise ImproperlyConfigured, in the name of the middleware that asks, for those of
    another engine.
    """
    found: Any = import_module(conf.engine_path()).SessionStore
    if issubclass(found, SessionStore):
        return cast(type[SessionStore], found)
    raise ImproperlyConfigured(
        f'{who} can\'t work with SESSION_ENGINE "{conf.engine_path()}". Set it to '
        f'"{conf.ENGINE}".'
    )
