"""Cookies as they came and as they go.

Django's ``request.COOKIES`` strips Unicode white space from names and keeps the last of
several cookies of one name, so a page on another subdomain can put its cookie in the
place of one whose name begins with ``__Host-``. Here a name is the exact bytes of the
header, and every value counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from http.cookies import Morsel
from itertools import islice, product
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_cache_control, patch_vary_headers

from django_secure_session.chunks import chunk_names, join
from django_secure_session.conf import CookieAttributes

MAX_HEADER = 65536  # bytes of all Cookie headers; browsers and servers stop far below

#: What deletes a cookie.
_GONE = {"max-age": 0, "expires": "Thu, 01 Jan 1970 00:00:00 GMT"}
MAX_ELSEWHERE = 3000  # bytes of headers; nginx takes 4096 of all by default
MAX_DEPTH = 4  # levels of paths where a cookie is looked for to be deleted
# Not request.headers, which would look at every header of each request.
_HEADER = "HTTP_COOKIE"
_SEPARATOR = b"; "
_SPACES = " \t"  # RFC 9110 section 5.6.3; str.strip() would take 29 characters more


class PartitionedMorsel(Morsel):  # type: ignore[type-arg]
    """A cookie that is partitioned, which Python's own can be from 3.14 on."""

    def OutputString(self, attrs: Any = None) -> str:
        """Return what follows "Set-Cookie: "."""
        text = super().OutputString(attrs)
        return text if "; Partitioned" in text else f"{text}; Partitioned"

    def copy(self) -> PartitionedMorsel:
        """Return another one like this; Morsel.copy() would return a Morsel."""
        return copy(self)


# In


def received(request: HttpRequest) -> str | None:
    """Return the Cookie header, its parts joined, each character a byte.

    None for one of more than MAX_HEADER bytes; that is found out without a copy.
    """
    scope = getattr(request, "scope", None)
    if scope is None:
        header = request.META.get(_HEADER, "")
    else:
        # HTTP/2 may bring it in several parts: RFC 9113 section 8.2.3.
        parts, size = [], 0
        for name, value in scope.get("headers", ()):
            if name == b"cookie":
                size += len(value) + len(_SEPARATOR)
                if size > MAX_HEADER + len(_SEPARATOR):
                    return None
                parts.append(value)
        header = _SEPARATOR.join(parts).decode("latin-1")
    if len(header) > MAX_HEADER:
        return None
    # Tests, and what wraps requests, put cookies there and write no header.
    return header or "; ".join(f"{k}={v}" for k, v in request.COOKIES.items())


def tokens(header: str, name: str) -> list[str]:
    """Return what came under a session cookie's name, chunks put together."""
    found = values(header, name)
    if "." not in "".join(found):
        return found  # no chunk among them
    return join(name, found, lambda chunk: values(header, chunk))


def values(header: str, name: str) -> list[str]:
    """Return every value that came under exactly this name, in their order."""
    found = []
    beginning = f"{name}="
    start = header.find(beginning)
    while start >= 0:
        usual = header[start - 2 : start] == "; "  # the others cost a call
        if usual or _begins_a_cookie(header, start):
            end = header.find(";", start)
            value = header[start + len(beginning) : None if end < 0 else end]
            found.append(value.rstrip(_SPACES))
        start = header.find(beginning, start + 1)
    return found


def names_of(header: str, name: str) -> set[str]:
    """Return the names that came of a session's cookies: its own and its chunks'."""
    names = chunk_names(name) if f"{name}." in header else [name]
    return {each for each in names if values(header, each)}


def _begins_a_cookie(header: str, start: int) -> bool:
    """Tell whether only white space is between here and the last semicolon."""
    while start and header[start - 1] in _SPACES:
        start -= 1
    return start == 0 or header[start - 1] == ";"


# Out


def send(
    response: HttpResponseBase,
    cookies: Mapping[str, str],
    attributes: CookieAttributes,
    *,
    max_age: int | None,
    secure: bool,
) -> None:
    """Set cookies, given by name and value, that all have the same attributes.

    Max-Age alone says how long: every browser reads it (RFC 6265 section 5.2.2), and a
    wrong clock in a client does not matter to it.
    """
    said = _said(attributes, secure)
    if max_age is not None:
        said["max-age"] = max_age
    for name, value in cookies.items():
        _add(response, name, name, value, said, attributes.partitioned)


def expire(
    response: HttpResponseBase,
    names: Iterable[str],
    attributes: CookieAttributes,
    *,
    secure: bool,
) -> None:
    """Delete cookies; browsers do where path, domain and partition are the same."""
    said = _said(attributes, secure) | _GONE
    for name in names:
        _add(response, name, name, "", said, attributes.partitioned)


def expire_elsewhere(
    response: HttpResponseBase,
    names: Iterable[str],
    host: str,
    paths: Iterable[str],
    attributes: CookieAttributes,
    *,
    secure: bool,
) -> None:
    """Delete cookies in every form but their own that they may have come in.

    A cookie is told apart by name, domain, path and partition. Nothing else is said,
    and not more than MAX_ELSEWHERE, or the head of the response would not fit into the
    buffers of proxies.
    """
    own = (attributes.domain or "").lstrip("."), attributes.path, attributes.partitioned
    partitions = (False, True) if secure else (False,)
    forms = list(product(dict.fromkeys(paths), domains(host), partitions))
    size = 0
    for name, (path, domain, partitioned) in product(names, forms):
        size += len(name) + len(domain) + len(path) + 64
        if size > MAX_ELSEWHERE:
            break
        if (domain, path, partitioned) != own:
            said = _needed(attributes, secure) | {"domain": domain, "path": path}
            # A key of its own, or the next would take its place.
            key = f"{name}; {domain}; {path}; {partitioned}"
            _add(response, key, name, "", said, partitioned)


def _needed(attributes: CookieAttributes, secure: bool) -> dict[str, Any]:
    """Return what deletes a cookie, and without which browsers take no notice."""
    http_only = attributes.name.lower().startswith(("__http-", "__host-http-"))
    across_sites = attributes.samesite == "None"
    return {
        "max-age": 0,
        "secure": secure or "",
        "httponly": http_only or "",
        "samesite": "None" if across_sites else "",
    }


def paths_above(path: str) -> Iterator[str]:
    """Yield each Path of a cookie that comes with a request for a path."""
    yield "/"
    for slash in islice(re.finditer("/", path), 1, MAX_DEPTH):
        yield path[: slash.start()]
        yield path[: slash.end()]
    yield path


def domains(host: str) -> Iterator[str]:
    """Yield each Domain that a cookie sent to a host may have had, "" for none."""
    yield ""
    labels = host.split(".")
    if re.fullmatch("[a-z].*", labels[-1]):  # an address has no domains
        for i in range(max(1, len(labels) - 1)):
            yield ".".join(labels[i:])


def _said(attributes: CookieAttributes, secure: bool) -> dict[str, Any]:
    """Return the attributes as http.cookies has them; "" for one that is not said."""
    return {
        "path": attributes.path,
        "domain": attributes.domain or "",
        "secure": secure or "",
        "httponly": attributes.httponly or "",
        "samesite": attributes.samesite or "",
    }


def _add(
    response: HttpResponseBase,
    key: str,
    name: str,
    value: str,
    said: Mapping[str, Any],
    partitioned: bool,
) -> None:
    morsel: Morsel[str] = PartitionedMorsel() if partitioned else Morsel()
    morsel.set(name, value, value or '""')
    # Morsel.update() would check again what was checked when the site started.
    dict.update(morsel, said)
    response.cookies.pop(key, None)  # the last one said has to be the last one sent
    response.cookies[key] = morsel


def vary(response: HttpResponseBase, *headers: str) -> None:
    """Tell caches that whoever sends other *headers* (Cookie) gets another response."""
    names = headers or ("Cookie",)
    if "Vary" in response.headers:
        patch_vary_headers(response, names)
    else:
        response.headers["Vary"] = ", ".join(names)


def forbid_caching(response: HttpResponseBase) -> None:
    """Keep a response that sets our cookie out of every cache (RFC 9111 5.2.2.5)."""
    if "Cache-Control" in response.headers:
        patch_cache_control(response, private=True, no_store=True)
    else:
        response.headers["Cache-Control"] = "private, no-store"
