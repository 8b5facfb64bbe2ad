"""Sessions too large for a cookie: sealed bytes in Django's cache.

The cookie then holds a sealed pointer: the name of the entry and a hash of its bytes,
so an entry of another session, or an older one, is not taken for it. Each save makes a
new entry, or two parallel requests would overwrite each other's.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from typing import NamedTuple

from django.core.cache import caches
from django.utils.crypto import constant_time_compare

from django_secure_session.backends.reports import unavailable
from django_secure_session.exceptions import BadToken, StoreUnavailable

GRACE = 60  # seconds that a replaced entry lives on, for parallel requests

_NAME_BYTES = 16
_DIGEST_BYTES = 32


class Entry(NamedTuple):
    """Sealed bytes and the random name of their place in the cache."""

    name: bytes
    content: bytes

    @property
    def pointer(self) -> bytes:
        """What the cookie seals."""
        return self.name + _digest(self.content)


def new_entry(content: bytes) -> Entry:
    """Return an entry with a name that was never used."""
    return Entry(secrets.token_bytes(_NAME_BYTES), content)


def name_in(pointer: bytes) -> bytes:
    """Return the name of the entry. Raise BadToken ``undecodable``."""
    if len(pointer) != _NAME_BYTES + _DIGEST_BYTES:
        raise BadToken("undecodable")
    return pointer[:_NAME_BYTES]


def verified(pointer: bytes, content: object) -> bytes:
    """Return the content that a pointer was made for.

    Raise BadToken: ``lost`` where the cache has none, ``stale`` where another.
    """
    if content is None:
        raise BadToken("lost")
    expected = pointer[_NAME_BYTES:]
    if not isinstance(content, bytes) or not constant_time_compare(
        _digest(content), expected
    ):
        raise BadToken("stale")
    return content


def fetch(cache_alias: str, name: bytes) -> object:
    """Return what the cache has under a name, or None. Raise StoreUnavailable."""
    try:
        return caches[cache_alias].get(_key(name))
    except Exception as error:  # each cache has errors of its own
        raise _unavailable(cache_alias, error) from error


def keep(cache_alias: str, new: Entry, seconds: int) -> None:
    """Keep a new entry that long. Raise StoreUnavailable."""
    try:
        # set() may fail without a word; add() tells.
        kept = caches[cache_alias].add(_key(new.name), new.content, seconds)
    except Exception as error:
        raise _unavailable(cache_alias, error) from error
    if not kept:
        raise _unavailable(cache_alias, None)


def retire(cache_alias: str, old: Iterable[bytes]) -> None:
    """Keep replaced entries for GRACE only. Raise StoreUnavailable."""
    try:
        for name in old:
            caches[cache_alias].touch(_key(name), GRACE)
    except Exception as error:
        raise _unavailable(cache_alias, error) from error


def remove(cache_alias: str, names: Iterable[bytes]) -> None:
    """Forget entries at once. Raise StoreUnavailable."""
    try:
        caches[cache_alias].delete_many([_key(name) for name in names])
    except Exception as error:
        raise _unavailable(cache_alias, error) from error


def _unavailable(cache_alias: str, cause: Exception | None) -> StoreUnavailable:
    store = f"The cache {cache_alias!r}, where large sessions are kept,"
    return unavailable(store, cause)


def _key(name: bytes) -> str:
    return f"secure_session.{name.hex()}"


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()
