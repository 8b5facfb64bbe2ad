"""System checks: ``secure_session.E0xx`` is broken, ``W0xx`` could be harder.

``manage.py check`` tells in one line what would otherwise be a traceback at start-up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured

from django_secure_session import conf

ENGINE = "django_secure_session.backends.encrypted_cookies"

W001 = Warning(
    "django_secure_session is installed, but SESSION_ENGINE is one of Django's.",
    hint=f'Set SESSION_ENGINE = "{ENGINE}".',
    id="secure_session.W001",
)
W002 = Warning(
    "allauth.usersessions stores session keys in 40 characters; the session key of a "
    "cookie engine is the whole sealed session.",
    hint='Remove "allauth.usersessions" from INSTALLED_APPS.',
    id="secure_session.W002",
)
W003 = Warning(
    "Session keys are derived from SECRET_KEY, so whoever has one can read and make "
    "sessions, and neither can be changed without the other.",
    hint="Make a key with manage.py genkey, set it as SECURE_SESSION['KEY'], and keep "
    "everybody logged in with 'KEY_FALLBACKS': [DERIVED].",
    id="secure_session.W003",
)
W004 = Warning(
    "SECURE_SESSION['ABSOLUTE_TIMEOUT'] is None: a stolen session cookie that is used "
    "often enough works forever.",
    hint="Set a limit such as timedelta(days=30) (OWASP ASVS 5.0, 7.3.2).",
    id="secure_session.W004",
)


def check_settings(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Report settings that no session can work with."""
    problems: list[CheckMessage] = []
    try:
        conf.get_config()
    except ImproperlyConfigured as error:
        problems.append(Error(str(error), id="secure_session.E001"))
    if conf.engine_path().startswith("django."):
        problems.append(W001)
    if apps.is_installed("allauth.usersessions"):
        problems.append(W002)
    return problems


def check_deployment(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Report, under ``check --deploy``, what works but could be safer."""
    try:
        config = conf.get_config()
    except ImproperlyConfigured:
        return []  # check_settings says so
    problems: list[CheckMessage] = []
    if not config.has_own_key:
        problems.append(W003)
    if config.absolute_timeout is None:
        problems.append(W004)
    return problems
