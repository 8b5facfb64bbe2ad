"""A root key made from a passphrase."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id

from django_secure_session.exceptions import InvalidKey
from django_secure_session.keyring.roots import KEY_BYTES, WAY_OUT, secret_bytes

MIN_BYTES = 32  # the least that @fastify/secure-session takes as a `secret`
MIN_DISTINCT = 8


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
        secret = secret_bytes(self.secret, f"The Passphrase in {where}")
        salt = secret_bytes(self.salt, f"The salt of the Passphrase in {where}")
        distinct = len(set(secret))
        if len(secret) < MIN_BYTES or distinct < MIN_DISTINCT:
            raise InvalidKey(
                f"The Passphrase in {where} has {len(secret)} bytes, {distinct} of "
                f"them different; at least {MIN_BYTES} and {MIN_DISTINCT} are needed. "
                f"Use a longer one, or a random key. {WAY_OUT}"
            )
        if len(salt) != argon2id.SALTBYTES:
            raise InvalidKey(
                f"The Passphrase in {where} needs salt=... of exactly "
                f"{argon2id.SALTBYTES} bytes, it has {len(salt)}. Make one with: "
                'python -c "import secrets; print(secrets.token_hex(8))"'
            )
        try:
            return _argon2id(secret, salt)
        except CryptoError:
            raise InvalidKey(
                f"The Passphrase in {where} could not be turned into a key: Argon2id "
                "needs 256 MiB of memory. Give the process more, or use a random key. "
                f"{WAY_OUT}"
            ) from None


@functools.lru_cache(16)
def _argon2id(secret: bytes, salt: bytes) -> bytes:
    return argon2id.kdf(
        KEY_BYTES,
        secret,
        salt,
        opslimit=argon2id.OPSLIMIT_MODERATE,
        memlimit=argon2id.MEMLIMIT_MODERATE,
    )
