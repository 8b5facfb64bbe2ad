"""Seal and open bytes under the subkeys of one context."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from nacl.bindings import (
    crypto_secretbox_easy,
    crypto_secretbox_NONCEBYTES,
    crypto_secretbox_open,
)
from nacl.exceptions import CryptoError

from django_secure_session.exceptions import BadToken
from django_secure_session.keyring.roots import RootKey

KEY_ID_BYTES = 7
NONCE_BYTES = crypto_secretbox_NONCEBYTES

#: Contexts kept ready. A site has a handful; purposes made up per user must not
#: grow the memory of a worker.
CACHED_CONTEXTS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Subkey:
    """A key of one context."""

    secret: bytes = field(repr=False)
    id: bytes
    label: str


def derive_subkey(root: RootKey, purpose: str, alias: str, audience: str) -> Subkey:
    """Derive the subkey of *root* for one context.

    Each part is length-prefixed, so ``("ab", "c")`` and ``("a", "bc")`` differ.
    Raise OverflowError for a part of more than 65535 bytes.
    """
    __traceback_hide__ = True
    parts = [part.encode() for part in (purpose, alias, audience)]
    context = b"".join(len(part).to_bytes(2, "big") + part for part in parts)
    secret = hashlib.blake2b(
        context, digest_size=32, key=root.secret, person=b"dss.subkey.v1"
    ).digest()
    key_id = hashlib.blake2b(
        b"", digest_size=KEY_ID_BYTES, key=secret, person=b"dss.key-id"
    ).digest()
    return Subkey(secret, key_id, root.label)


class Box:
    """The subkeys of one context: the first seals, each opens what it sealed."""

    __slots__ = ("_current", "_subkeys")

    def __init__(self, subkeys: Sequence[Subkey]) -> None:
        self._current = subkeys[0]
        self._subkeys = {subkey.id: subkey for subkey in subkeys}

    @property
    def current_id(self) -> bytes:
        """Id of the key that seals."""
        return self._current.id

    def label(self, key_id: bytes) -> str | None:
        """Say where in the settings the key with this id stands, if it is ours."""
        subkey = self._subkeys.get(key_id)
        return None if subkey is None else subkey.label

    @property
    def ids(self) -> Collection[bytes]:
        """Ids of the keys that open."""
        return self._subkeys.keys()

    def seal(self, plaintext: bytes) -> tuple[bytes, bytes, bytes]:
        """Return key id, nonce and ciphertext under the current key."""
        # Hides this frame from Django's debug page, and the clause below PyNaCl's:
        # both hold the key in a local variable.
        __traceback_hide__ = True
        current = self._current
        nonce = os.urandom(NONCE_BYTES)
        try:
            return (
                current.id,
                nonce,
                crypto_secretbox_easy(plaintext, nonce, current.secret),
            )
        except Exception as error:
            raise RuntimeError(f"libsodium could not seal: {error}") from None

    def open(self, key_id: bytes, nonce: bytes, ciphertext: bytes) -> bytes:
        """Return the plaintext of what :meth:`seal` returned.

        Raise BadToken: ``unknown_key`` with no decryption, ``tampered`` after one.
        """
        __traceback_hide__ = True
        subkey = self._subkeys.get(key_id)
        if subkey is None:
            raise BadToken("unknown_key")
        try:
            return crypto_secretbox_open(ciphertext, nonce, subkey.secret)
        except CryptoError:
            raise BadToken("tampered") from None
        except Exception as error:
            raise RuntimeError(f"libsodium could not open: {error}") from None


class Keyring:
    """The root keys of one session: the first seals, the others only open."""

    def __init__(self, roots: Sequence[RootKey]) -> None:
        self._roots = tuple(roots)
        self.box = functools.lru_cache(CACHED_CONTEXTS)(self._derive_box)

    def _derive_box(self, purpose: str, alias: str, audience: str) -> Box:
        return Box(
            [derive_subkey(root, purpose, alias, audience) for root in self._roots]
        )
