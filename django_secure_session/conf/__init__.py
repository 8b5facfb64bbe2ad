"""The only reader of settings: SECURE_SESSION to values that were checked once.

Everything is read at the first use and kept until a test changes a setting. A wrong
value raises ImproperlyConfigured, for keys InvalidKey, with a text that says what,
where and the way out.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from django.conf import settings
from django.contrib.sessions.serializers import JSONSerializer
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from django_secure_session.chunks import chunked_capacity, single_capacity
from django_secure_session.codec import Codec
from django_secure_session.conf.cookie import ATTRIBUTES as ATTRIBUTES
from django_secure_session.conf.cookie import CookieAttributes as CookieAttributes
from django_secure_session.conf.installed import revoker as revoker
from django_secure_session.conf.installed import verifier as verifier
from django_secure_session.conf.keys import keyring
from django_secure_session.conf.names import DEFAULT_ALIAS as DEFAULT_ALIAS
from django_secure_session.conf.names import (
    attribute,
    named_sessions,
    refuse_clashes,
    url_prefixes,
)
from django_secure_session.conf.options import (
    DJANGO_DEFAULTS,
    NAMED_OPTIONS,
    SITE_OPTIONS,
    Options,
    refuse_unknown,
)
from django_secure_session.conf.session import ENCODE_PURPOSE as ENCODE_PURPOSE
from django_secure_session.conf.session import SESSION_PURPOSE as SESSION_PURPOSE
from django_secure_session.conf.session import SPILL_LIMIT as SPILL_LIMIT
from django_secure_session.conf.session import SPILL_PURPOSE as SPILL_PURPOSE
from django_secure_session.conf.session import TOKEN_LIMIT as TOKEN_LIMIT
from django_secure_session.conf.session import SessionConfig as SessionConfig
from django_secure_session.conf.site import ACCOUNT_CLASS as ACCOUNT_CLASS
from django_secure_session.conf.site import ACCOUNT_MIDDLEWARE as ACCOUNT_MIDDLEWARE
from django_secure_session.conf.site import (
    ACCOUNT_REQUIRED_CLASS as ACCOUNT_REQUIRED_CLASS,
)
from django_secure_session.conf.site import API_KEYS as API_KEYS
from django_secure_session.conf.site import API_KEYS_LABEL as API_KEYS_LABEL
from django_secure_session.conf.site import ENGINE as ENGINE
from django_secure_session.conf.site import REGISTRY as REGISTRY
from django_secure_session.conf.site import REGISTRY_LABEL as REGISTRY_LABEL
from django_secure_session.conf.site import (
    SECURE_SESSION_MIDDLEWARE as SECURE_SESSION_MIDDLEWARE,
)
from django_secure_session.conf.site import cache_backend as cache_backend
from django_secure_session.conf.site import csrf_uses_sessions as csrf_uses_sessions
from django_secure_session.conf.site import engine_path as engine_path
from django_secure_session.conf.site import login_url as login_url
from django_secure_session.conf.site import middleware_names as middleware_names
from django_secure_session.conf.site import root_urlconf as root_urlconf
from django_secure_session.keyring import DERIVED, Keyring
from django_secure_session.serializers import CompactJSON, DepthBounded, Serializer

OPTIONS = SITE_OPTIONS | NAMED_OPTIONS


def get_config(alias: str = DEFAULT_ALIAS) -> SessionConfig:
    """Return the checked configuration of a session. Raise ImproperlyConfigured."""
    configs = get_configs()
    if alias not in configs:
        raise ImproperlyConfigured(
            f"There is no session {alias!r}; this site has "
            f"{', '.join(map(repr, configs))}."
        )
    return configs[alias]


@functools.cache
def get_configs() -> Mapping[str, SessionConfig]:
    """Return all sessions by their names, the site's own first.

    The keys that were checked at start-up are the keys in use, whatever becomes of
    their files. Raise ImproperlyConfigured.
    """
    try:
        return MappingProxyType({config.alias: config for config in _read_configs()})
    except ImproperlyConfigured as error:
        # The frames left behind hold keys in their variables; a debug page or a crash
        # report would show those. The text says all there is to know.
        raise error.with_traceback(None) from None


# Bounded like the keyring's contexts: a purpose may be made up at run time.
@functools.lru_cache(64)
def get_codec(alias: str, purpose: str) -> Codec:
    """Return the codec of a session's tokens of one purpose, built once."""
    return get_config(alias).codec(purpose)


def serializer_class() -> Any:
    """Return the class that SESSION_SERIALIZER names."""
    return import_string(settings.SESSION_SERIALIZER)


def _read_configs() -> list[SessionConfig]:
    site = getattr(settings, "SECURE_SESSION", {})
    refuse_unknown(site, SITE_OPTIONS, "SECURE_SESSION")
    own = Options(site)
    site_keyring = keyring(own)
    configs = [_read_config(own, site_keyring)]
    for alias in named_sessions(site):
        options = Options(site, alias)
        # A keyring derives what each session needs; a Passphrase is read once so.
        has_keys = options.has_own("KEY") or options.has_own("KEY_FALLBACKS")
        configs.append(
            _read_config(options, keyring(options) if has_keys else site_keyring)
        )
    refuse_clashes(configs)
    return configs


def _read_config(options: Options, keys: Keyring) -> SessionConfig:
    cookie = options.cookie()
    idle_timeout = options.idle_timeout()
    save_every_request = bool(settings.SESSION_SAVE_EVERY_REQUEST)
    return SessionConfig(
        alias=options.alias or DEFAULT_ALIAS,
        attribute=attribute(options),
        url_prefixes=url_prefixes(options),
        cookie=cookie,
        single_capacity=single_capacity(cookie.name),
        chunked_capacity=chunked_capacity(cookie.name),
        cookie_age=options.seconds("COOKIE_AGE"),
        ends_with_browser=options.flag("EXPIRE_AT_BROWSER_CLOSE"),
        save_every_request=save_every_request,
        acts_on_reads=save_every_request or idle_timeout is not None,
        audience=options.audience(),
        idle_timeout=idle_timeout,
        absolute_timeout=options.optional_seconds("ABSOLUTE_TIMEOUT"),
        placement=options.placement(),
        spill_above=options.spill_above(),
        cache_alias=options.cache_alias(),
        compress=options.flag("COMPRESS"),
        claims_max_age=options.optional_seconds("CLAIMS_MAX_AGE", least=0),
        account_provider=options.account_provider(),
        api_key_prefix=options.api_key_prefix(),
        revocation_cache_alias=options.cache_alias("REVOCATION_CACHE_ALIAS"),
        revocation_max_staleness=options.seconds("REVOCATION_MAX_STALENESS", least=0),
        login_url=options.url("LOGIN_URL") if options.alias else None,
        reauthenticate_url=options.url("REAUTHENTICATE_URL"),
        has_own_key=options.get("KEY") is not DERIVED,
        keyring=keys,
        serializer=_serializer(),
    )


def _serializer() -> Serializer:
    path = settings.SESSION_SERIALIZER
    sample = {"n": 1}
    try:
        # Django's own is replaced by a faster one that writes the same bytes.
        if serializer_class() is JSONSerializer:
            return CompactJSON()
        serializer = DepthBounded(serializer_class()())
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


_READ_FROM = frozenset(
    {
        *("SECRET_KEY", "SECRET_KEY_FALLBACKS", "SECURE_SESSION", "CACHES"),
        *("SESSION_SERIALIZER", "SESSION_SAVE_EVERY_REQUEST"),
        *("CSRF_COOKIE_NAME", "LANGUAGE_COOKIE_NAME"),
        *(f"SESSION_{name}" for name in DJANGO_DEFAULTS),
    }
)


def _forget(*, setting: str, **_: Any) -> None:
    if setting in _READ_FROM:
        get_configs.cache_clear()
        get_codec.cache_clear()
    if setting == "INSTALLED_APPS":
        revoker.cache_clear()
        verifier.cache_clear()


setting_changed.connect(_forget)
