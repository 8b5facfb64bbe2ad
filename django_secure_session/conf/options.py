"""Look an option up, in SECURE_SESSION and where it inherits from, and check it."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.functional import Promise

from django_secure_session.chunks import COOKIE_LIMIT
from django_secure_session.conf.cookie import CookieAttributes, normal_samesite
from django_secure_session.keyring import DERIVED

#: What any session may have, and what counts where nothing is set.
DEFAULTS: dict[str, Any] = {
    "KEY": DERIVED,
    "KEY_FALLBACKS": [],
    "AUDIENCE": "",
    "IDLE_TIMEOUT": None,
    "ABSOLUTE_TIMEOUT": timedelta(days=30),
    "PLACEMENT": "cookie",
    "SPILL_ABOVE": None,
    "CACHE_ALIAS": "default",
    "COMPRESS": False,
    "CLAIMS_MAX_AGE": 300,
    "ACCOUNT_PROVIDER": "django_secure_session.accounts.DjangoUserProvider",
    "REAUTHENTICATE_URL": None,
}
#: What the site's own session takes from Django's settings, here without "SESSION_".
DJANGO_DEFAULTS: dict[str, Any] = {
    "COOKIE_NAME": "sessionid",
    "COOKIE_AGE": 1209600,
    "COOKIE_PATH": "/",
    "COOKIE_DOMAIN": None,
    "COOKIE_SECURE": False,
    "COOKIE_HTTPONLY": True,
    "COOKIE_SAMESITE": "Lax",
    "COOKIE_PARTITIONED": False,  # not yet a setting of Django (ticket 34613)
    "EXPIRE_AT_BROWSER_CLOSE": False,
}
#: What only the site has.
SITE_DEFAULTS: dict[str, Any] = {
    "API_KEY_PREFIX": "dss",
    "REVOCATION_CACHE_ALIAS": "default",
    "REVOCATION_MAX_STALENESS": 30,
}
SITE_OPTIONS = frozenset({*DEFAULTS, *SITE_DEFAULTS, "SESSIONS"})
NAMED_OPTIONS = frozenset(
    {*DEFAULTS, *DJANGO_DEFAULTS, "ATTRIBUTE", "LOGIN_URL", "URL_PREFIX"}
)
_KEY_PREFIX = re.compile("[a-z][a-z0-9]{1,15}")
PLACEMENTS = ("cookie", "chunked", "spill")


class Options:
    """The options of one session; *own* are those under its name in SESSIONS."""

    def __init__(self, site: Mapping[str, Any], alias: str | None = None) -> None:
        self.alias = alias
        self._site = site
        self._where = "SECURE_SESSION"
        self._own: Mapping[str, Any] = {}
        if alias is not None:
            self._where = f'SECURE_SESSION["SESSIONS"]["{alias}"]'
            self._own = site["SESSIONS"][alias]
            refuse_unknown(self._own, NAMED_OPTIONS, self._where)

    def has_own(self, name: str) -> bool:
        """Tell whether the option stands under this session's name."""
        return name in self._own

    def get(self, name: str) -> Any:
        """Return an option's value, unchecked."""
        if name in self._own:
            return self._own[name]
        if name in DJANGO_DEFAULTS:
            return getattr(settings, f"SESSION_{name}", DJANGO_DEFAULTS[name])
        return self._site.get(name, DEFAULTS.get(name, SITE_DEFAULTS.get(name)))

    def get_flag(self, name: str) -> Any:
        """Return an option's value; Django's settings may also be 0, 1 or None."""
        value = self.get(name)
        of_django = self.where(name).startswith("SESSION_")
        lenient = value is None or (type(value) is int and value in (0, 1))
        return bool(value) if of_django and lenient else value

    def where(self, name: str) -> str:
        """Say where the value stands, or would stand, in the settings."""
        if name in self._own or name not in {*DEFAULTS, *DJANGO_DEFAULTS}:
            return f'{self._where}["{name}"]'
        if name in DJANGO_DEFAULTS:
            return f"SESSION_{name}"
        return f'SECURE_SESSION["{name}"]'

    def wrong(self, name: str, must_be: str) -> ImproperlyConfigured:
        """Return the error for a value that can't be."""
        own = f'{self._where}["{name}"]'
        inherits = "" if self.where(name) == own else f" Or set {own}."
        if self.alias is None:
            inherits = ""
        value = self.get(name)
        return ImproperlyConfigured(
            f"{self.where(name)} is {value!r}; it {must_be}.{inherits}"
        )

    def flag(self, name: str) -> bool:
        """Return True or False."""
        value = self.get_flag(name)
        if not isinstance(value, bool):
            raise self.wrong(name, "must be True or False")
        return value

    def seconds(self, name: str, alternative: str = "", *, least: int = 1) -> int:
        """Return a duration, given in seconds or as a timedelta, of *least* or more."""
        value = self.get(name)
        if isinstance(value, timedelta):
            value = value.total_seconds()
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not least <= value < math.inf:
            must_be = f"must be a timedelta or a number of seconds of at least {least}"
            raise self.wrong(name, must_be + alternative)
        return int(value)

    def idle_timeout(self) -> int | None:
        """Return IDLE_TIMEOUT; a session with an age of its own does not inherit it."""
        if self.has_own("COOKIE_AGE") and not self.has_own("IDLE_TIMEOUT"):
            return None
        return self.optional_seconds("IDLE_TIMEOUT")

    def optional_seconds(self, name: str, *, least: int = 1) -> int | None:
        """Return a duration, or None for no limit."""
        if self.get(name) is None:
            return None
        return self.seconds(name, ", or None for no limit", least=least)

    def audience(self) -> str:
        """Return AUDIENCE."""
        audience = self.get("AUDIENCE")
        if isinstance(audience, str) and len(audience) < 256 and audience.isprintable():
            return audience
        raise ImproperlyConfigured(
            f"{self.where('AUDIENCE')} is not a printable text but a "
            f"{type(audience).__name__}, or is longer than 255 characters. Give the "
            'name of this site, such as "shop".'
        )

    def placement(self) -> str:
        """Return PLACEMENT."""
        value = self.get("PLACEMENT")
        if value not in PLACEMENTS:
            raise self.wrong("PLACEMENT", f"must be one of {', '.join(PLACEMENTS)}")
        return str(value)

    def spill_above(self) -> int:
        """Return the bytes of name and value up to which a session stays a cookie."""
        value = self.get("SPILL_ABOVE")
        if value is None:
            return COOKIE_LIMIT
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.wrong("SPILL_ABOVE", "must be a number of bytes, or None")
        if not 0 <= value <= COOKIE_LIMIT:
            raise self.wrong(
                "SPILL_ABOVE", f"must be from 0 to {COOKIE_LIMIT}, which browsers store"
            )
        return value

    def cache_alias(self, name: str = "CACHE_ALIAS") -> str:
        """Return the name of a cache, one of CACHES."""
        value = self.get(name)
        if not isinstance(value, str) or value not in settings.CACHES:
            raise self.wrong(
                name, f"must be one of CACHES: {', '.join(settings.CACHES)}"
            )
        return value

    def account_provider(self) -> str:
        """Return ACCOUNT_PROVIDER; what it names can be imported only later."""
        value = self.get("ACCOUNT_PROVIDER")
        if not isinstance(value, str) or "." not in value:
            must_be = 'must be the dotted path of a class, such as "shop.Accounts"'
            raise self.wrong("ACCOUNT_PROVIDER", must_be)
        return value

    def api_key_prefix(self) -> str:
        """Return API_KEY_PREFIX, with which every API key of this site begins."""
        value = self.get("API_KEY_PREFIX")
        if not isinstance(value, str) or not _KEY_PREFIX.fullmatch(value):
            must_be = 'must be 2 to 16 of a-z and 0-9, a letter first, such as "acme"'
            raise self.wrong("API_KEY_PREFIX", must_be)
        return value

    def url(self, name: str) -> str | Promise | None:
        """Return a path, the name of a URL, reverse_lazy(), or None."""
        value = self.get(name)
        if value is None or isinstance(value, Promise):
            return value
        if not isinstance(value, str) or not value:
            raise self.wrong(name, "must be a path, the name of a URL, or None")
        return value

    def cookie(self) -> CookieAttributes:
        """Return the attributes of the cookie."""
        name = self.get("COOKIE_NAME")
        if self.alias is not None and not self.has_own("COOKIE_NAME"):
            name = f"{self.alias}_session"
        cookie = CookieAttributes(
            name=name,
            path=self.get("COOKIE_PATH"),
            # An empty variable of the environment means what None does.
            domain=self.get("COOKIE_DOMAIN") or None,
            secure=self.get_flag("COOKIE_SECURE"),
            httponly=self.get_flag("COOKIE_HTTPONLY"),
            samesite=normal_samesite(self.get("COOKIE_SAMESITE")),  # type: ignore[arg-type]
            partitioned=self.get_flag("COOKIE_PARTITIONED"),
        )
        for attribute, must_be in cookie.problems():
            raise self.wrong(f"COOKIE_{attribute.upper()}", must_be)
        return cookie


def refuse_unknown(options: object, known: Collection[str], where: str) -> None:
    """Raise ImproperlyConfigured unless *options* is a dict of known options."""
    if not isinstance(options, Mapping):
        raise ImproperlyConfigured(
            f"{where} is a {type(options).__name__}; it must be a dict of options: "
            f"{', '.join(sorted(known))}."
        )
    for name in options:
        if name not in known:
            raise ImproperlyConfigured(
                f"{where} has the unknown option {name!r}; {_way_out(name, known)} "
                f"The options are {', '.join(sorted(known))}."
            )


def _way_out(name: object, known: Collection[str]) -> str:
    if name in DJANGO_DEFAULTS:
        return f"the site's own session has Django's SESSION_{name}."
    if name in NAMED_OPTIONS:
        return 'only a session under "SESSIONS" has it.'
    if name in SITE_DEFAULTS:
        return "it is the whole site's, so set it in SECURE_SESSION itself."
    close = difflib.get_close_matches(str(name).upper(), known, n=1)
    return f"did you mean {close[0]!r}?" if close else "remove it."
