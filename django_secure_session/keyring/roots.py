"""Root keys, and what is refused as one.

A refusal is an :class:`InvalidKey` whose text says what, where and the way out and
never shows any part of the value.
"""

from __future__ import annotations

import enum
import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from django_secure_session.exceptions import InvalidKey

KEY_BYTES = 32

WAY_OUT = "Make a key with: python -m django_secure_session genkey"

#: SHA-256 of keys that stand in documentation and test data anywhere: this project's,
#: @fastify/secure-session's. Digests, so that no usable key stands here.
PUBLISHED = frozenset(
    {
        "630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd",
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
        __traceback_hide__ = True
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


def root_from_secret_key(secret_key: str | bytes, label: str) -> RootKey:
    """Derive the root key of a site that has no KEY, from one Django secret key."""
    __traceback_hide__ = True
    material = secret_key.encode() if isinstance(secret_key, str) else secret_key
    derived = hashlib.blake2b(
        material, digest_size=KEY_BYTES, person=b"dss.secret-key"
    ).digest()
    return RootKey(derived, label)


def refuse_guessable(root: RootKey) -> None:
    """Refuse what someone typed, forgot to fill in or copied from documentation."""
    __traceback_hide__ = True
    if len(set(root.secret)) == 1:
        problem = "is the same byte 32 times"
    elif all(32 <= byte < 127 for byte in root.secret):
        problem = (
            "is 32 printable characters, so a password and no random key; "
            "Passphrase(...) takes those"
        )
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
