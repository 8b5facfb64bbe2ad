"""The only reader of settings: SECURE_SESSION to values that were checked once.

Everything is read at the first use and kept until a test changes a setting. A wrong
value raises ImproperlyConfigured, for keys InvalidKey, with a text that says what,
where and the way out.
"""

from __future__ import annotations

import difflib
import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.sessions.serializers import JSONSerializer
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from django_secure_session.codec import Codec
from django_secure_session.exceptions import InvalidKey
from django_secure_session.keyring import (
    DERIVED,
    Keyring,
    RootKey,
    refuse_duplicates,
    root_from_secret_key,
    root_keys,
)
from django_secure_session.serializers import CompactJSON, DepthBounded, Serializer

DEFAULT_ALIAS = "default"
SESSION_PURPOSE = "session"

COOKIE_LIMIT = 4096  # bytes of name + value that every browser stores, RFC 6265 6.1
TOKEN_LIMIT = 65536  # characters of a token that is not a cookie

KEY = 'SECURE_SESSION["KEY"]'
DEFAULT_ABSOLUTE_TIMEOUT = timedelta(days=30)
OPTIONS = frozenset({"KEY", "KEY_FALLBACKS", "AUDIENCE", "ABSOLUTE_TIMEOUT"})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SessionConfig:
    """One session as the settings describe it.

    ``absolute_timeout`` is in seconds; ``has_own_key`` is False where the key that
    seals is derived from SECRET_KEY.
    """

    alias: str
    cookie_name: str
    audience: str
    absolute_timeout: int | None
    has_own_key: bool
    keyring: Keyring
    serializer: Serializer

    def codec(self, purpose: str) -> Codec:
        """Return the codec of this session's tokens of one purpose."""
        limit = TOKEN_LIMIT
        if purpose == SESSION_PURPOSE:
            limit = COOKIE_LIMIT - len(self.cookie_name)
        box = self.keyring.box(purpose, self.alias, self.audience)
        return Codec(box, self.serializer, limit)


def get_config(alias: str = DEFAULT_ALIAS) -> SessionConfig:
    """Return the checked configuration of a session. Raise ImproperlyConfigured."""
    # With and without the argument it must be one entry of the cache: the key that was
    # checked at start-up is the key in use, whatever becomes of its file.
    return _config_of(alias)


@functools.cache
def _config_of(alias: str) -> SessionConfig:
    try:
        return _read_config(alias)
    except ImproperlyConfigured as error:
        # The frames left behind hold keys in their variables; a debug page or a crash
        # report would show those. The text says all there is to know.
        raise error.with_traceback(None) from None


def _read_config(alias: str) -> SessionConfig:
    if alias != DEFAULT_ALIAS:
        raise ImproperlyConfigured(
            f"There is no session {alias!r}; this site has {DEFAULT_ALIAS!r} only."
        )
    options = _options()
    return SessionConfig(
        alias=alias,
        cookie_name=settings.SESSION_COOKIE_NAME,
        audience=_audience(options),
        absolute_timeout=_seconds(options, "ABSOLUTE_TIMEOUT"),
        has_own_key=options.get("KEY", DERIVED) is not DERIVED,
        keyring=Keyring(_roots(options)),
        serializer=_serializer(),
    )


# Bounded like the keyring's contexts: a purpose may be made up at run time.
@functools.lru_cache(64)
def get_codec(alias: str, purpose: str) -> Codec:
    """Return the codec of a session's tokens of one purpose, built once."""
    return get_config(alias).codec(purpose)


def engine_path() -> str:
    """Return SESSION_ENGINE."""
    return str(settings.SESSION_ENGINE)


def _options() -> Mapping[str, Any]:
    options = getattr(settings, "SECURE_SESSION", {})
    if not isinstance(options, Mapping):
        raise ImproperlyConfigured(
            f"SECURE_SESSION is a {type(options).__name__}; it must be a dict of "
            f"options: {', '.join(sorted(OPTIONS))}."
        )
    for name in options:
        if name not in OPTIONS:
            close = difflib.get_close_matches(str(name).upper(), OPTIONS, n=1)
            hint = f"did you mean {close[0]!r}?" if close else "remove it."
            raise ImproperlyConfigured(
                f"SECURE_SESSION has the unknown option {name!r}; {hint} "
                f"The options are {', '.join(sorted(OPTIONS))}."
            )
    return options


def _audience(options: Mapping[str, Any]) -> str:
    audience = options.get("AUDIENCE", "")
    if isinstance(audience, str) and len(audience) < 256 and audience.isprintable():
        return audience
    raise ImproperlyConfigured(
        f'SECURE_SESSION["AUDIENCE"] is not a printable text but a '
        f"{type(audience).__name__}, or is longer than 255 characters. Give the name "
        'of this site, such as "shop".'
    )


def _seconds(options: Mapping[str, Any], name: str) -> int | None:
    value = options.get(name, DEFAULT_ABSOLUTE_TIMEOUT)
    if value is None:
        return None
    if isinstance(value, timedelta):
        value = value.total_seconds()
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 1 <= value < math.inf:
        raise ImproperlyConfigured(
            f'SECURE_SESSION["{name}"] is {options[name]!r}; it must be a timedelta or '
            "a number of seconds of at least 1, or None for no limit."
        )
    return int(value)


def _serializer() -> Serializer:
    path = settings.SESSION_SERIALIZER
    sample = {"n": 1}
    try:
        serializer_class = import_string(path)
        # Django's own is replaced by a faster one that writes the same bytes.
        if serializer_class is JSONSerializer:
            return CompactJSON()
        serializer = DepthBounded(serializer_class())
        data: object = serializer.dumps(sample)
        if not isinstance(data, bytes) or serializer.loads(data) != sample:
            raise TypeError("it does not turn a dict into bytes and back")
    except Exception as error:
        raise ImproperlyConfigured(
            f"SESSION_SERIALIZER {path!r} can't be used: {error}. It must be the path "
            "of a class with dumps(dict) -> bytes and loads(bytes) -> dict, such "
            "as django.contrib.sessions.serializers.JSONSerializer."
        ) from error
    return serializer


def _roots(options: Mapping[str, Any]) -> list[RootKey]:
    """Return all root keys, the one that seals first. Raise InvalidKey."""
    key = options.get("KEY", DERIVED)
    fallbacks = options.get("KEY_FALLBACKS", [])
    if not isinstance(fallbacks, (list, tuple)):
        raise InvalidKey(
            'SECURE_SESSION["KEY_FALLBACKS"] must be a list of keys, newest first; it '
            f"is a {type(fallbacks).__name__}."
        )
    roots = list(_entry(key, KEY))
    for i, fallback in enumerate(fallbacks):
        roots += _entry(fallback, f'SECURE_SESSION["KEY_FALLBACKS"][{i}]')
    refuse_duplicates(roots)
    return roots


def _entry(value: object, where: str) -> Iterator[RootKey]:
    if value is DERIVED:
        yield from _derived_roots("" if where == KEY else f"{where} from ")
    else:
        yield from root_keys(value, where)


def _derived_roots(origin: str) -> Iterator[RootKey]:
    secret_keys: dict[str, object] = {"SECRET_KEY": settings.SECRET_KEY}
    for i, fallback in enumerate(settings.SECRET_KEY_FALLBACKS):
        secret_keys[f"SECRET_KEY_FALLBACKS[{i}]"] = fallback
    for label, secret_key in secret_keys.items():
        yield root_from_secret_key(secret_key, f"{origin}{label}")


_READ_FROM = frozenset(
    {
        "SECRET_KEY",
        "SECRET_KEY_FALLBACKS",
        "SECURE_SESSION",
        "SESSION_COOKIE_NAME",
        "SESSION_SERIALIZER",
    }
)


def _forget(*, setting: str, **_: object) -> None:
    if setting in _READ_FROM:
        _config_of.cache_clear()
        get_codec.cache_clear()


setting_changed.connect(_forget)
