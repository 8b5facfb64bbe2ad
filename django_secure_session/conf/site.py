"""What the rest of the site has set, for checks and errors that speak of it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

# Dotted names as a site writes them in its settings.
ENGINE = "django_secure_session.backends.encrypted_cookies"
SECURE_SESSION_MIDDLEWARE = "django_secure_session.middleware.SecureSessionMiddleware"
ACCOUNT_MIDDLEWARE = "django_secure_session.middleware.AccountMiddleware"
API_KEYS = "django_secure_session.api_keys"
API_KEYS_LABEL = "secure_session_api_keys"
REGISTRY = "django_secure_session.registry"
REGISTRY_LABEL = "secure_session_registry"

# Dotted names by which middleware_names() finds also subclasses.
ACCOUNT_CLASS = "django_secure_session.middleware.accounts.AccountMiddleware"
ACCOUNT_REQUIRED_CLASS = (
    "django_secure_session.middleware.accounts.AccountRequiredMiddleware"
)


def engine_path() -> str:
    """Return SESSION_ENGINE."""
    return str(settings.SESSION_ENGINE)


def cache_backend(alias: str) -> str:
    """Return the dotted path of a cache's backend."""
    return str(settings.CACHES[alias].get("BACKEND"))


def csrf_uses_sessions() -> bool:
    """Return CSRF_USE_SESSIONS."""
    return bool(settings.CSRF_USE_SESSIONS)


def login_url() -> str:
    """Return LOGIN_URL: a path, a URL, or the name of one."""
    return str(settings.LOGIN_URL)


def root_urlconf() -> str | None:
    """Return ROOT_URLCONF, or None where a site has none."""
    return getattr(settings, "ROOT_URLCONF", None)


def middleware_names() -> list[list[str]]:
    """Return for each of MIDDLEWARE its class's dotted name and those of its bases.

    By name, because importing Django's imports models of apps a site may not have.
    """
    return [_names(path) for path in settings.MIDDLEWARE]


def _names(path: str) -> list[str]:
    middleware = _imported(path)
    classes = middleware.__mro__ if isinstance(middleware, type) else ()
    return [path, *(f"{each.__module__}.{each.__qualname__}" for each in classes)]


def _imported(path: str) -> Any:
    try:
        return import_string(path)
    except ImportError:
        return None  # Django says so when it loads its middleware
