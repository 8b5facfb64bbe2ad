"""Cut a sealed token into the parts that anyone can see without a key."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from django_secure_session import BadToken
from django_secure_session.codec import OVERHEAD, VERSION
from django_secure_session.codec.text import read_prefix
from django_secure_session.keyring import KEY_ID_BYTES, NONCE_BYTES

VERSION_BYTES = 1
TAG_BYTES = OVERHEAD - VERSION_BYTES - KEY_ID_BYTES - NONCE_BYTES

#: Name in the style sheet, title, bytes (None: all that follow), explanation.
LAYOUT: list[tuple[str, str, int | None, str]] = [
    (
        "version",
        "Version",
        VERSION_BYTES,
        "The format of the token. It is read before anything is decrypted.",
    ),
    (
        "key-id",
        "Key id",
        KEY_ID_BYTES,
        "Which key sealed it: a hash of that key. So the server finds the right one at "
        "once, also after a rotation, and ignores a token made elsewhere.",
    ),
    (
        "nonce",
        "Nonce",
        NONCE_BYTES,
        "Random, new in each cookie. So two cookies with the same content look "
        "nothing alike.",
    ),
    (
        "tag",
        "Tag",
        TAG_BYTES,
        "Proves that whoever sealed the token had the key. Change one character "
        "anywhere, and the token is refused.",
    ),
    (
        "ciphertext",
        "Ciphertext",
        None,
        "The session itself, encrypted and padded to a multiple of 48 bytes, so that "
        "its exact length does not show either.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of the token: its characters, and the bytes that they stand for."""

    slug: str
    title: str
    explanation: str
    text: str
    raw: bytes
    #: Where ``text`` begins in the token.
    start: int


def cut(token: str) -> list[Part]:
    """Return the parts of a token, none if it has no token's shape.

    Nothing is decrypted, so a token that was tampered with has parts all the same.
    """
    try:
        version, _ = read_prefix(token)
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
    except (BadToken, ValueError):
        return []
    if version != VERSION or len(raw) <= OVERHEAD:
        return []
    parts = []
    start = 0
    for slug, title, size, explanation in LAYOUT:
        end = len(raw) if size is None else start + size
        first, last = _character(start), _character(end)
        parts.append(
            Part(
                slug=slug,
                title=title,
                explanation=explanation,
                text=token[first:last],
                raw=raw[start:end],
                start=first,
            )
        )
        start = end
    return parts


def _character(byte: int) -> int:
    """Return the first character of base64 that begins in this byte or after it.

    A character holds 6 bits, so most parts begin inside of one.
    """
    return -(-byte * 8 // 6)
