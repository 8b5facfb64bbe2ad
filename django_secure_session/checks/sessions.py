"""What can be wrong about the sessions of a site."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured

from django_secure_session import conf

SESSION = "django.contrib.sessions.middleware.SessionMiddleware"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
MESSAGES = "django.contrib.messages.middleware.MessageMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
UPDATE_CACHE = "django.middleware.cache.UpdateCacheMiddleware"

#: Caches that lose every entry, or that other processes don't see.
NO_CACHE = "django.core.cache.backends.dummy.DummyCache"
PER_PROCESS = "django.core.cache.backends.locmem.LocMemCache"


def check_settings(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Report settings that no session can work with, or that say nothing."""
    try:
        configs = list(conf.get_configs().values())
    except ImproperlyConfigured as error:
        return [Error(str(error), id="secure_session.E001"), *_wrong_company()]
    problems = [*_wrong_company(), *_wrong_middleware(configs)]
    for config in configs:
        problems += _wrong_lifetime(config)
        problems += _wrong_cache(config)
    return problems


def check_deployment(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Report, under ``check --deploy``, what works but could be safer."""
    try:
        configs = list(conf.get_configs().values())
    except ImproperlyConfigured:
        return []  # check_settings says so
    problems: list[CheckMessage] = []
    if not configs[0].has_own_key:
        problems.append(W003)
    problems += _no_log_out()
    for config in configs:
        problems += _weak(config)
    return problems


# Other apps and other engines

W001 = Warning(
    "django_secure_session is installed, but SESSION_ENGINE is one of Django's.",
    hint=f'Set SESSION_ENGINE = "{conf.ENGINE}".',
    id="secure_session.W001",
)
W002 = Warning(
    "allauth.usersessions stores session keys in 40 characters; the session key of a "
    "cookie engine is the whole sealed session.",
    hint='Remove "allauth.usersessions" from INSTALLED_APPS. A list of sessions, and '
    f'how to end them, is in "{conf.REGISTRY}".',
    id="secure_session.W002",
)


def _wrong_company() -> Iterator[CheckMessage]:
    if conf.engine_path().startswith("django."):
        yield W001
    if apps.is_installed("allauth.usersessions"):
        yield W002


# Middleware

E002 = Error(
    "MIDDLEWARE has more than one session middleware; the outer one sets the cookie "
    "of a session that it does not know.",
    hint=f"Keep {conf.SECURE_SESSION_MIDDLEWARE}, remove Django's SessionMiddleware.",
    id="secure_session.E002",
)


E006 = Error(
    "SecureSessionMiddleware can't work with one of Django's session engines.",
    hint=f'Set SESSION_ENGINE = "{conf.ENGINE}".',
    id="secure_session.E006",
)


def _wrong_middleware(configs: Sequence[conf.SessionConfig]) -> Iterator[CheckMessage]:
    stack = conf.middleware_names()
    sessions = [i for i, names in enumerate(stack) if SESSION in names]
    if len(sessions) > 1:
        yield E002
    elif sessions:
        yield from _wrong_order(stack, sessions[0])
    if not any(conf.SECURE_SESSION_MIDDLEWARE in names for names in stack):
        yield from _without_effect(configs)
    elif conf.engine_path().startswith("django."):
        yield E006


def _wrong_order(stack: Sequence[list[str]], session: int) -> Iterator[CheckMessage]:
    needs_session = {AUTHENTICATION, MESSAGES}
    if conf.csrf_uses_sessions():
        needs_session.add(CSRF)
    for i, names in enumerate(stack):
        if i < session and needs_session.intersection(names):
            yield _misplaced(names[0], "after", "it needs request.session")
        if i > session and UPDATE_CACHE in names:
            why = "or it stores responses before they are told to vary with the cookie"
            yield _misplaced(names[0], "before", why)


def _misplaced(path: str, side: str, why: str) -> Error:
    return Error(
        f"{path} has to stand {side} the session middleware: {why}.",
        hint="Change the order of MIDDLEWARE.",
        id="secure_session.E003",
    )


def _without_effect(configs: Sequence[conf.SessionConfig]) -> Iterator[CheckMessage]:
    """Yield an error for what only our middleware does."""
    site = configs[0]
    settings = {
        'SECURE_SESSION["SESSIONS"]': len(configs) > 1,
        'SECURE_SESSION["IDLE_TIMEOUT"]': site.idle_timeout is not None,
        'SECURE_SESSION["PLACEMENT"] = "chunked"': site.placement == "chunked",
        'SESSION_COOKIE_SECURE = "auto"': site.cookie.secure == "auto",
        "SESSION_COOKIE_PARTITIONED": site.cookie.partitioned,
    }
    for setting, is_used in settings.items():
        if is_used:
            yield Error(
                f"{setting} needs SecureSessionMiddleware.",
                hint=f'Put "{conf.SECURE_SESSION_MIDDLEWARE}" in the place of '
                "Django's SessionMiddleware.",
                id="secure_session.E004",
            )


# Each session


def _wrong_lifetime(config: conf.SessionConfig) -> Iterator[CheckMessage]:
    absolute, idle = config.absolute_timeout, config.idle_timeout
    if absolute is None:
        return
    if idle is not None and idle > absolute:
        yield Warning(
            f"Session {config.alias!r}: IDLE_TIMEOUT is longer than ABSOLUTE_TIMEOUT, "
            "so it never ends a session.",
            hint="Make it shorter, or None.",
            id="secure_session.W005",
        )
    if idle is None and config.cookie_age > absolute:
        yield Warning(
            f"Session {config.alias!r}: its cookie's age is longer than "
            "ABSOLUTE_TIMEOUT, which cuts it.",
            hint="Shorten the age, or give this session another ABSOLUTE_TIMEOUT.",
            id="secure_session.W006",
        )


def _wrong_cache(config: conf.SessionConfig) -> Iterator[CheckMessage]:
    if (
        config.placement == "spill"
        and conf.cache_backend(config.cache_alias) == NO_CACHE
    ):
        yield Error(
            f'Session {config.alias!r}: PLACEMENT is "spill", and the cache '
            f"{config.cache_alias!r} keeps nothing.",
            hint="Name a real cache in CACHE_ALIAS.",
            id="secure_session.E005",
        )


W003 = Warning(
    "Session keys are derived from SECRET_KEY, so whoever has one can read and make "
    "sessions, and neither can be changed without the other.",
    hint="Make a key with manage.py genkey, set it as SECURE_SESSION['KEY'], and keep "
    "everybody logged in with 'KEY_FALLBACKS': [DERIVED].",
    id="secure_session.W003",
)


W014 = Warning(
    "The registry is not installed, so a copy of a session's cookie stays good after "
    "its owner has logged out (OWASP ASVS 5.0, 7.4.1).",
    hint=f'Add "{conf.REGISTRY}" to INSTALLED_APPS and run manage.py migrate.',
    id="secure_session.W014",
)


def _no_log_out() -> Iterator[CheckMessage]:
    if apps.is_installed(conf.REGISTRY) or conf.engine_path().startswith("django."):
        return
    stack = conf.middleware_names()
    has_accounts = any(conf.ACCOUNT_CLASS in names for names in stack)
    if has_accounts or apps.is_installed("django.contrib.auth"):
        yield W014


def _weak(config: conf.SessionConfig) -> Iterator[CheckMessage]:
    session = f"Session {config.alias!r}:"
    # Where people log in: request.session is never one of the others.
    may_be_logged_in = config.alias == conf.DEFAULT_ALIAS or config.url_prefixes
    if config.absolute_timeout is None and may_be_logged_in:
        yield Warning(
            f"{session} ABSOLUTE_TIMEOUT is None, so a stolen cookie that is used "
            "often enough works forever.",
            hint="Set a limit such as timedelta(days=30) (OWASP ASVS 5.0, 7.3.2).",
            id="secure_session.W004",
        )
    if config.cookie.secure is False:
        yield Warning(
            f"{session} its cookie is not Secure, so the network can read it.",
            hint='Set SESSION_COOKIE_SECURE, or its COOKIE_SECURE, to True or "auto".',
            id="secure_session.W007",
        )
    if not config.cookie.httponly:
        yield Warning(
            f"{session} its cookie is not HttpOnly, so any script on a page can send "
            "it elsewhere.",
            hint="Set SESSION_COOKIE_HTTPONLY, or its COOKIE_HTTPONLY, to True.",
            id="secure_session.W008",
        )
    if (
        config.placement == "spill"
        and conf.cache_backend(config.cache_alias) == PER_PROCESS
    ):
        yield Warning(
            f'{session} PLACEMENT is "spill", and each process has its own cache '
            f"{config.cache_alias!r}: a session is lost in all but one of them.",
            hint="Name a cache in CACHE_ALIAS that all processes share, such as Redis.",
            id="secure_session.W009",
        )
