"""Which sessions there are, and that none gets in another's way."""

from __future__ import annotations

import itertools
import keyword
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from django_secure_session.conf.options import Options
from django_secure_session.conf.session import SessionConfig

DEFAULT_ALIAS = "default"
DEFAULT_ATTRIBUTE = "session"

_ALIAS = re.compile(r"[a-z][a-z0-9_]{0,62}")
#: What Django, and this package, put on a request.
_TAKEN = frozenset(
    {
        *("session", "user", "auser", "site", "csrf_processing_done", "urlconf"),
        *("account", "aaccount", "org", "aorg", "auth_via"),
        *("authenticated", "aauthenticated", "authorized", "aauthorized"),
    }
)


def named_sessions(site: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return SESSIONS with its names checked."""
    sessions = site.get("SESSIONS", {})
    if not isinstance(sessions, Mapping):
        raise ImproperlyConfigured(
            f'SECURE_SESSION["SESSIONS"] is a {type(sessions).__name__}; it must be a '
            'dict of names and options, such as {"admin": {"URL_PREFIX": "/admin/"}}.'
        )
    for alias in sessions:
        if alias == DEFAULT_ALIAS:
            raise ImproperlyConfigured(
                'SECURE_SESSION["SESSIONS"] has "default", which is the site\'s own '
                "session; its options stand in SECURE_SESSION itself."
            )
        if not isinstance(alias, str) or not _ALIAS.fullmatch(alias):
            raise ImproperlyConfigured(
                f'SECURE_SESSION["SESSIONS"] has the name {alias!r}; a name is up to '
                "63 lower-case letters, digits and underscores, the first a letter."
            )
    return sessions


def attribute(options: Options) -> str:
    """Return the name of the request's attribute for a session."""
    if options.alias is None:
        return DEFAULT_ATTRIBUTE
    name = options.get("ATTRIBUTE") or f"{options.alias}_session"
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        raise options.wrong("ATTRIBUTE", "must be a Python name")
    if name in _TAKEN or name.startswith("_") or hasattr(HttpRequest(), name):
        raise options.wrong("ATTRIBUTE", "is taken on a request; choose another name")
    return name


def url_prefixes(options: Options) -> tuple[str, ...]:
    """Return the paths below which ``request.session`` is this session."""
    value = options.get("URL_PREFIX") if options.alias is not None else None
    prefixes = [value] if isinstance(value, str) else value
    if prefixes is None:
        return ()
    if not isinstance(prefixes, (list, tuple)):
        raise options.wrong("URL_PREFIX", "must be a path or a list of paths")
    for prefix in prefixes:
        if not isinstance(prefix, str) or not re.fullmatch(r"/.*[^/]/", prefix):
            raise options.wrong(
                "URL_PREFIX",
                'must begin and end with a slash and name something, as "/admin/"',
            )
    return tuple(prefixes)


def refuse_clashes(configs: Sequence[SessionConfig]) -> None:
    """Raise ImproperlyConfigured where two sessions would be taken for each other."""
    others = (settings.CSRF_COOKIE_NAME, settings.LANGUAGE_COOKIE_NAME)
    names = [("Django's own", name.lower()) for name in others]
    # Some tools take names in any case for the same.
    names += [(config.alias, config.cookie.name.lower()) for config in configs]
    _refuse_twins("cookie", names)
    _refuse_twins("attribute", [(config.alias, config.attribute) for config in configs])
    for (one, name), (other, second) in itertools.permutations(names, 2):
        if re.fullmatch(re.escape(name) + r"\.[0-9]+", second):
            raise _clash(one, other, f"the cookie {second!r}, a chunk of {name!r}")
    for (one, prefix), (other, second) in itertools.permutations(_prefixes(configs), 2):
        if second.startswith(prefix):
            raise _clash(one, other, f"paths below {second!r}")


def _prefixes(configs: Iterable[SessionConfig]) -> Iterator[tuple[str, str]]:
    for config in configs:
        for prefix in config.url_prefixes:
            yield config.alias, prefix


def _refuse_twins(what: str, named: Sequence[tuple[str, str]]) -> None:
    for (one, name), (other, second) in itertools.combinations(named, 2):
        if name == second:
            raise _clash(one, other, f"the {what} {name!r}")


def _clash(one: str, other: str, what: str) -> ImproperlyConfigured:
    who = f"both {one} and {other} have" if one != other else f"{one} has twice"
    return ImproperlyConfigured(
        f'SECURE_SESSION["SESSIONS"]: {who} {what}. Give one of them another.'
    )
