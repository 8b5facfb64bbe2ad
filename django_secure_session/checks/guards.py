"""What can be wrong about accounts, and about the guards in the site's URLconf."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, Resolver404, resolve

from django_secure_session import conf
from django_secure_session.checks.sessions import AUTHENTICATION, CSRF, SESSION
from django_secure_session.guards.policy import KeyPolicy, Policy, SessionPolicy
from django_secure_session.guards.routes import (
    Route,
    guards_of,
    policies_of,
    reauthenticate_view,
    routes,
)


def check_guards(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Report guards that let nobody in, or lead nowhere."""
    try:
        configs = conf.get_configs()
    except ImproperlyConfigured:
        return []  # check_settings says so
    stack = conf.middleware_names()
    guarded = [route for route in _routes() if route.policies]
    problems = [*_wrong_order(stack), *_wrong_providers(configs.values())]
    problems += _without_middleware(stack, guarded)
    problems += _without_keys(guarded)
    problems += _wrong_ways(configs[conf.DEFAULT_ALIAS], guarded, stack)
    problems += _wrong_session(configs.values(), guarded)
    return problems


def _routes() -> Iterator[Route]:
    return routes() if conf.root_urlconf() else iter(())


def _position(stack: Sequence[list[str]], name: str) -> int | None:
    return next((i for i, names in enumerate(stack) if name in names), None)


# Middleware and provider


def _wrong_order(stack: Sequence[list[str]]) -> Iterator[CheckMessage]:
    account = _position(stack, conf.ACCOUNT_CLASS)
    required = _position(stack, conf.ACCOUNT_REQUIRED_CLASS)
    if account is not None:
        for other in (SESSION, AUTHENTICATION):
            position = _position(stack, other)
            if other == SESSION and position is None:
                yield _misplaced("AccountMiddleware", "the session middleware")
            elif position is not None and position > account:
                yield _misplaced("AccountMiddleware", other)
    if required is not None and (account is None or account > required):
        yield _misplaced("AccountRequiredMiddleware", conf.ACCOUNT_MIDDLEWARE)


def _misplaced(who: str, what: str) -> Error:
    return Error(
        f"{who} has to stand after {what}, which it needs.",
        hint="Change the order of MIDDLEWARE.",
        id="secure_session.E007",
    )


def _wrong_providers(configs: Iterable[conf.SessionConfig]) -> Iterator[CheckMessage]:
    # Imported late: importing the engine with a broken key raises, and check_settings
    # is to say so.
    from django_secure_session.accounts.provider import get_provider

    for path in dict.fromkeys(config.account_provider for config in configs):
        try:
            get_provider(path)
        except ImproperlyConfigured as error:
            yield Error(
                str(error),
                hint="Derive it from django_secure_session.AccountProvider.",
                id="secure_session.E008",
            )


# Guards that let nobody in


def _without_middleware(
    stack: Sequence[list[str]], guarded: Sequence[Route]
) -> Iterator[CheckMessage]:
    if not guarded:
        return
    if _position(stack, conf.ACCOUNT_CLASS) is None:
        yield Error(
            f"{guarded[0].path} has a guard, and AccountMiddleware is not installed.",
            hint=f'Add "{conf.ACCOUNT_MIDDLEWARE}" to MIDDLEWARE, after the session '
            "middleware and AuthenticationMiddleware.",
            id="secure_session.E009",
        )
    by_session = [r for r in guarded if any(map(_is_of_session, r.policies))]
    if by_session and _position(stack, CSRF) is None:
        yield Warning(
            "Guards check for cross site request forgery, and without "
            "CsrfViewMiddleware no page gets the token that they want of a POST.",
            hint=f'Add "{CSRF}" to MIDDLEWARE.',
            id="secure_session.W010",
        )


def _without_keys(guarded: Sequence[Route]) -> Iterator[CheckMessage]:
    if apps.is_installed(conf.API_KEYS):
        return
    for route in guarded:
        if any(isinstance(policy, KeyPolicy) for policy in route.policies):
            yield Error(
                f"{route.path} is for API keys, and {conf.API_KEYS} is not installed, "
                "so no key is good.",
                hint=f'Add "{conf.API_KEYS}" to INSTALLED_APPS, or guard the view with '
                "@authenticated.",
                id="secure_session.E010",
            )


# Ways that lead nowhere


def _wrong_ways(
    config: conf.SessionConfig, guarded: Sequence[Route], stack: Sequence[list[str]]
) -> Iterator[CheckMessage]:
    policies = [policy for route in guarded for policy in route.policies]
    gated = _position(stack, conf.ACCOUNT_REQUIRED_CLASS) is not None
    if gated or any(map(_is_of_session, policies)):
        view = _view_at(conf.login_url())
        if view is not None and _wants_account(view, gated=gated):
            yield W011
    if any(_is_fresh(policy) for policy in policies):
        yield from _wrong_reauthentication(config)


W011 = Warning(
    "LOGIN_URL leads to a view that is for accounts itself, so people are sent there "
    "again and again.",
    hint="Mark that view with @public.",
    id="secure_session.W011",
)
W012 = Warning(
    "A guard with fresh sends people to a LoginView that sends whoever is logged in "
    "back, so they go round in circles.",
    hint="Add django_secure_session.views.ReauthenticateView to the URLconf, or name "
    'a page in SECURE_SESSION["REAUTHENTICATE_URL"].',
    id="secure_session.W012",
)


def _wrong_session(
    configs: Iterable[conf.SessionConfig], guarded: Sequence[Route]
) -> Iterator[CheckMessage]:
    """Yield a warning for guards on a session that LOGIN_URL does not log in to."""
    for config in configs:
        below = [
            route for route in guarded if route.path.startswith(config.url_prefixes)
        ]
        if below and config.login_url is None:
            yield Warning(
                f"{below[0].path} has a guard and is below the URL_PREFIX of session "
                f"{config.alias!r}, which a log-in at LOGIN_URL is not for.",
                hint="Give that session a LOGIN_URL below its URL_PREFIX.",
                id="secure_session.W013",
            )


def _wrong_reauthentication(config: conf.SessionConfig) -> Iterator[CheckMessage]:
    named = config.reauthenticate_url
    try:
        view = _view_at(
            str(named) if named else reauthenticate_view() or conf.login_url()
        )
    except NoReverseMatch as error:
        yield Error(
            f'SECURE_SESSION["REAUTHENTICATE_URL"] names no URL of this site: {error}',
            hint="Give a path, or the name of a URL.",
            id="secure_session.E011",
        )
        return
    if view is not None and _sends_back(view):
        yield W012


def _is_of_session(policy: Policy) -> bool:
    return isinstance(policy, SessionPolicy)


def _is_fresh(policy: Policy) -> bool:
    return isinstance(policy, SessionPolicy) and policy.fresh is not None


def _view_at(target: Any) -> Callable[..., Any] | None:
    """Return the view that a URL leads to, None if it is none of this site's."""
    url = urlsplit(resolve_url(target))
    try:
        return None if url.netloc else resolve(url.path).func
    except Resolver404:
        return None


def _wants_account(view: Callable[..., Any], *, gated: bool) -> bool:
    guards = guards_of(view)
    if guards:
        return any(policies_of(guard) for guard in guards)
    return gated and getattr(view, "login_required", True)


def _sends_back(view: Callable[..., Any]) -> bool:
    """Tell whether a view is a LoginView with ``redirect_authenticated_user``."""
    name = "redirect_authenticated_user"
    options = getattr(view, "view_initkwargs", {})
    own = getattr(getattr(view, "view_class", None), name, False)
    return bool(options.get(name, own))
