"""API keys as texts: ``dss_live_<id>_<secret><check>``.

The id names the row and the secret has 256 bits. The check, a CRC-32 of what stands
before it, tells a key from junk without a look at the database, as scanners for leaked
secrets do. All three are base62, so a double click selects the whole key.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib
from typing import NamedTuple

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
ID_LENGTH = 12
SECRET_LENGTH = 43  # the first length of base62 with 256 bits
CHECK_LENGTH = 6  # the first that any CRC-32 fits in

#: What may stand for the environment in a key.
ENVIRONMENT = re.compile(r"[a-z][a-z0-9]{0,15}")
_PARTS = re.compile(
    rf"(?P<prefix>[a-z0-9]+)_(?P<env>{ENVIRONMENT.pattern})"
    rf"_(?P<id>[0-9A-Za-z]{{{ID_LENGTH}}})"
    rf"_[0-9A-Za-z]{{{SECRET_LENGTH}}}(?P<check>[0-9A-Za-z]{{{CHECK_LENGTH}}})"
)
_LONGEST = 2 * 16 + ID_LENGTH + SECRET_LENGTH + CHECK_LENGTH + 3


class Presented(NamedTuple):
    """What is looked up of a key that somebody has sent: no secret any more."""

    key_id: str
    digest: str

    def __repr__(self) -> str:
        return f"<Presented {self.key_id}>"


class MintedKey(NamedTuple):
    """A new key: the *text* is for its owner alone, the rest is stored."""

    text: str
    key_id: str
    digest: str

    def __repr__(self) -> str:
        return f"<MintedKey {self.key_id}>"  # the text is nothing for an error page


def mint(prefix: str, env: str) -> MintedKey:
    """Return a new key for an environment, such as "live" or "test"."""
    __traceback_hide__ = True
    key_id = _random(ID_LENGTH)
    body = f"{prefix}_{env}_{key_id}_{_random(SECRET_LENGTH)}"
    text = body + _check(body)
    return MintedKey(text, key_id, digest(text))


def parse(text: str, prefix: str) -> Presented | None:
    """Return what is looked up for a text, or None for one that is no key."""
    __traceback_hide__ = True
    found = _PARTS.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None or found["prefix"] != prefix:
        return None
    if found["check"] != _check(text[:-CHECK_LENGTH]):
        return None
    return Presented(found["id"], digest(text))


def digest(text: str) -> str:
    """Return what is stored of a key: SHA-256, in 64 hexadecimal digits.

    A slow hash is for passwords, which can be guessed; 256 random bits can't.
    """
    __traceback_hide__ = True
    return hashlib.sha256(text.encode()).hexdigest()


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def _check(body: str) -> str:
    __traceback_hide__ = True
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(CHECK_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
