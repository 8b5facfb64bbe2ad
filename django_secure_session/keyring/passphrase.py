"""A root key made from a passphrase."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id

from django_secure_session.exceptions import InvalidKey
from django_secure_session.keyring.roots import KEY_BYTES, WAY_OUT

MIN_BYTES = 32  # the least that @fastify/secure-session takes as a `secret`


@dataclass(frozen=True, slots=True, eq=False)
class Passphrase:
    """A key made from a passphrase with Argon2id (RFC 9106), MODERATE limits.

    The same key as @fastify/secure-session's ``secret`` and ``salt``. *salt* is 16
    bytes, or a text of 16 ASCII characters, and not secret; *secret* has at least 32
    bytes. Deriving takes about a second and 256 MiB, once per process. Nothing is
    checked here but at start-up, so that a settings file with a bad one still loads.
    """

    secret: str | bytes = field(repr=False)
    salt: str | bytes = field(default=b"", kw_only=True, repr=False)

    def derive(self, where: str) -> bytes:
        """Return the 32 bytes. Raise InvalidKey for a weak secret or a wrong salt."""
        __traceback_hide__ = True
        secret, salt = _to_bytes(self.secret, where), _to_bytes(self.salt, where)
        if len(secret) < MIN_BYTES:
            raise InvalidKey(
                f"The Passphrase in {where} has {len(secret)} bytes; at least "
                f"{MIN_BYTES} are needed. Use a longer one, or a random key. "
                f"{WAY_OUT}"
            )
        if len(salt) != argon2id.SALTBYTES:
            raise InvalidKey(
                f"The Passphrase in {where} needs salt=... of exactly "
                f"{argon2id.SALTBYTES} bytes, it has {len(salt)}. Make one with: "
                'python -c "import secrets; print(secrets.token_hex(8))"'
            )
        return _argon2id(secret, salt)


def _to_bytes(text: object, where: str) -> bytes:
    __traceback_hide__ = True
    if isinstance(text, str):
        return text.encode()
    if isinstance(text, bytes):
        return text
    raise InvalidKey(
        f"The Passphrase in {where} holds a {type(text).__name__}; secret and salt "
        "are str or bytes."
    )


@functools.lru_cache(16)
def _argon2id(secret: bytes, salt: bytes) -> bytes:
    __traceback_hide__ = True
    try:
        return argon2id.kdf(
            KEY_BYTES,
            secret,
            salt,
            opslimit=argon2id.OPSLIMIT_MODERATE,
            memlimit=argon2id.MEMLIMIT_MODERATE,
        )
    except CryptoError:
        # PyNaCl's frames hold the passphrase, hence "from None".
        raise InvalidKey(
            "Deriving a key from a Passphrase failed: Argon2id needs 256 MiB of "
            "memory. Give the process more, or use a random key. " + WAY_OUT
        ) from None
