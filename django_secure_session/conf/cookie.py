"""The attributes of a session's cookie, and which of them browsers take together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal

#: The characters of a cookie's name: "token" in RFC 6265 section 4.1.1.
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,255}")
#: An attribute's value as RFC 6265 has it, short of what could end it.
_VALUE = re.compile(r"[ -:<-~]{1,1024}")

SAME_SITE = ("Lax", "Strict", "None")


@dataclass(frozen=True, slots=True, kw_only=True)
class CookieAttributes:
    """What a Set-Cookie header says beside value and age.

    ``secure`` is "auto" where each request decides: secure if it came over HTTPS.
    """

    name: str
    path: str
    domain: str | None
    secure: bool | Literal["auto"]
    httponly: bool
    samesite: str | None
    partitioned: bool

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield an attribute that can't be, and what it must be."""
        if not _is(_NAME, self.name):
            yield "name", "must be up to 255 letters, digits, '-', '_' and the like"
            return
        yield from self._wrong_types()
        yield from self._wrong_together()

    def _wrong_types(self) -> Iterator[tuple[str, str]]:
        if not _is(_VALUE, self.path) or not self.path.startswith("/"):
            yield "path", 'must be a path such as "/"'
        if self.domain is not None and not _is(_VALUE, self.domain):
            yield "domain", 'must be a host such as "example.com", or None'
        if self.secure != "auto" and not _is_flag(self.secure):
            yield "secure", 'must be True, False or "auto"'
        if self.samesite is not None and self.samesite not in SAME_SITE:
            yield "samesite", 'must be "Lax", "Strict", "None" or None'
        flags = {"httponly": self.httponly, "partitioned": self.partitioned}
        for name, flag in flags.items():
            if not _is_flag(flag):
                yield name, "must be True or False"

    def _wrong_together(self) -> Iterator[tuple[str, str]]:
        """Yield what browsers refuse, so that the session would never come back.

        The prefixes are those of RFC 6265bis section 4.1.3; browsers read them in any
        case. "auto" is not enough for them: over HTTP the cookie would be lost.
        """
        prefix = self.name.lower()
        host = prefix.startswith("__host-")
        http = prefix.startswith(("__http-", "__host-http-"))
        secure = host or http or prefix.startswith("__secure-")
        because = f"for a cookie named {self.name!r}"
        if secure and self.secure is not True:
            yield "secure", f"must be True {because}"
        if host and self.domain is not None:
            yield "domain", f"must be None {because}"
        if host and self.path != "/":
            yield "path", f'must be "/" {because}'
        if http and not self.httponly:
            yield "httponly", f"must be True {because}"
        if self.samesite == "None" and self.secure is False:
            yield "secure", 'must be True, or "auto", with SameSite=None'
        if self.partitioned and self.secure is False:
            yield "secure", 'must be True, or "auto", for a partitioned cookie'


ATTRIBUTES = frozenset(field.name for field in fields(CookieAttributes)) - {"name"}


def normal_samesite(value: object) -> object:
    """Return SameSite as browsers spell it; None where no attribute is wanted."""
    if isinstance(value, str):
        return value.capitalize()
    return None if value is False else value


def _is(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)
