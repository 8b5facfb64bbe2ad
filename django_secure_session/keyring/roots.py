"""Root keys, and what is refused as one.

A refusal is an :class:`InvalidKey` whose text says what, where and the way out and
never shows any part of the value.
"""

from __future__ import annotations

import enum
import hashlib
import secrets
import string
from collections.abc import Iterable
from dataclasses import dataclass, field

from django_secure_session.exceptions import InvalidKey

KEY_BYTES = 32
MIN_DISTINCT_BYTES = 16  # a random key has about 30; fewer than 16 never happens
PRINTABLE = string.printable.encode()

WAY_OUT = "Make a key with: python -m django_secure_session genkey"

#: SHA-256 of keys that stand in documentation and test data anywhere: this project's,
#: @fastify/secure-session's. Digests, so that no usable key stands here.
PUBLISHED = frozenset(
    {
        "0257aaa04abf3d7898c49908ca5c415fac3dace88a6cf0ca7da58356abd5f10d",
        "2098b6c27f4b563f9ff97745986d0b9d5be6a694c79b96c129c7f594b9603377",
        "630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd",
        "e0fe15a6058f4c0ef91b8120d04571615f87e98d47dfe1f06fca736e70a92e29",
    }
)


class Derived(enum.Enum):
    """The type of :data:`DERIVED`."""

    DERIVED = "DERIVED"

    def __repr__(self) -> str:
        return "DERIVED"


#: In KEY_FALLBACKS: the keys derived from SECRET_KEY and SECRET_KEY_FALLBACKS, so that
#: a site can move to a key of its own without logging anyone out.
DERIVED = Derived.DERIVED


@dataclass(frozen=True, slots=True, eq=False)
class RootKey:
    """32 secret bytes, and where in the settings they come from."""

    secret: bytes = field(repr=False)
    label: str

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise InvalidKey(
                f"{self.label} has {len(self.secret)} bytes; a key has exactly "
                f"{KEY_BYTES}. {WAY_OUT}"
            )

    @property
    def digest(self) -> str:
        """Hex SHA-256, to tell keys apart without comparing secrets."""
        return hashlib.sha256(self.secret).hexdigest()


def generate_key() -> bytes:
    """Return a new random key."""
    return secrets.token_bytes(KEY_BYTES)


def root_from_secret_key(secret_key: object, label: str) -> RootKey:
    """Derive the root key of a site that has no KEY, from one Django secret key.

    Raise InvalidKey for one that is blank or neither str nor bytes.
    """
    material = secret_bytes(secret_key, label)
    if not material.strip():
        raise InvalidKey(
            f"{label} is empty, so no session key can be derived from it. Correct it, "
            f"or give the session a key of its own. {WAY_OUT}"
        )
    derived = hashlib.blake2b(
        material, digest_size=KEY_BYTES, person=b"dss.secret-key"
    ).digest()
    return RootKey(derived, label)


def secret_bytes(text: object, where: str) -> bytes:
    """Return a secret text as bytes. Raise InvalidKey if it is none."""
    if isinstance(text, bytes):
        return text
    if not isinstance(text, str):
        raise InvalidKey(
            f"{where} is a {type(text).__name__}; it must be str or bytes. {WAY_OUT}"
        )
    try:
        return text.encode()
    except UnicodeEncodeError:  # its repr would show the secret
        raise InvalidKey(
            f"{where} is not valid Unicode; is the environment UTF-8? {WAY_OUT}"
        ) from None


def refuse_guessable(root: RootKey) -> None:
    """Refuse what someone typed, forgot to fill in or copied from documentation."""
    if all(byte in PRINTABLE for byte in root.secret):
        problem = (
            "is 32 printable characters, so a password and no random key; "
            "Passphrase(...) takes those"
        )
    elif len(set(root.secret)) < MIN_DISTINCT_BYTES:
        problem = "repeats itself, which no random key does"
    elif root.digest in PUBLISHED:
        problem = "is a published sample key, which everyone knows"
    else:
        return
    raise InvalidKey(f"{root.label} {problem}. {WAY_OUT}")


def refuse_duplicates(roots: Iterable[RootKey]) -> None:
    """Refuse a key that stands twice: one of the two was meant to be another."""
    seen: dict[str, RootKey] = {}
    for root in roots:
        first = seen.setdefault(root.digest, root)
        if first is not root:
            raise InvalidKey(
                f"{root.label} is the same key as {first.label}. Remove it, or put in "
                "the key that was meant."
            )
