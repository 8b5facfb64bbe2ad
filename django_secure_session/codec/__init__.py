"""Sealed tokens: a session dict and its metadata to a cookie value and back.

Token version 1 looks like this::

    token     = base64url of  0x01 | key_id(7) | nonce(24) | secretbox(plaintext)
    plaintext = ISO/IEC 7816-4 padding to a multiple of 48 bytes of
                sid(16) | created u32 | issued u32 | expires u32 | age u32 | flags u8
                | u16 length | claims | body

Sealing goes through these steps, and opening through the same ones backwards:

1. the serializer turns the session dict into the body, compressed if the site says so;
2. metadata and claims are put before it;
3. padding hides the exact length;
4. secretbox (XSalsa20-Poly1305) encrypts and authenticates;
5. base64url makes it a cookie value. Its length is a multiple of 64, so there is never
   a "=" and never a second spelling of the same token.

This module knows neither requests nor settings. docs/reference/token-format.md tells
the format so exactly that one can write a second decoder.
"""

from __future__ import annotations

import re
import struct
from typing import Any

from django_secure_session.codec.compression import deflate, inflate
from django_secure_session.codec.metadata import (
    COMPRESSED,
    KNOWN_FLAGS,
    POINTER,
    Lifetime,
    Metadata,
    check_times,
)
from django_secure_session.codec.text import (
    KEY_ID,
    base64url_decode,
    base64url_encode,
    read_prefix,
)
from django_secure_session.exceptions import BadToken, Reason
from django_secure_session.keyring import NONCE_BYTES, Box
from django_secure_session.serializers import Serializer

VERSION = 1
BLOCK = 48  # 48 bytes are 64 characters: 3 | 48, so base64 never needs padding
OVERHEAD = 48  # version, key id, nonce and authentication tag

_PADDING_MARK = 0x80
#: What to append to a content whose length leaves this remainder: ISO/IEC 7816-4.
_PADDINGS = [b"\x80".ljust(BLOCK - rest, b"\0") for rest in range(BLOCK)]
_HEADER = struct.Struct(">16sIIIIBH")
_VERSION_BYTE = VERSION.to_bytes()
_NONCE = slice(KEY_ID.stop, KEY_ID.stop + NONCE_BYTES)
_SEALED = slice(_NONCE.stop, None)
_OWN_CHARACTERS = 10  # that no bit of the nonce goes into: 60 of the first 64 bits
#: Any prefix with VERSION in it: the byte 0x01 is "A" and one of "Q" to "f".
_OWN_VERSION = re.compile("A[Q-Za-f][A-Za-z0-9_-]{10}")


class Codec:
    """Seal and open the tokens of one context.

    Nothing longer than *limit* characters is opened; what may be sealed is the caller's
    to decide, and never more.
    """

    __slots__ = ("_compress", "_current", "_known", "_serializer", "box", "limit")

    def __init__(
        self, box: Box, serializer: Serializer, limit: int, *, compress: bool = False
    ) -> None:
        self.box = box
        self.limit = limit
        self._serializer = serializer
        self._compress = compress
        # How the tokens of each key begin, so that nothing else is ever decoded.
        self._known = frozenset(map(_beginning, box.ids))
        self._current = _beginning(box.current_id)

    # The session dict and the body

    def dump(self, data: dict[str, Any]) -> bytes:
        """Return the body of a session dict. Raise what the serializer raises."""
        return self._serializer.dumps(data)

    def read_body(self, body: bytes) -> dict[str, Any]:
        """Return the session dict of a body. Raise BadToken ``undecodable``."""
        try:
            data = self._serializer.loads(body)
        except Exception:
            # Only a holder of the key gets here, but serializers raise anything:
            # ValueError, RecursionError, KeyError, a C extension's own error.
            raise BadToken("undecodable") from None
        if not isinstance(data, dict):
            raise BadToken("undecodable")
        return data

    # Sealing

    def seal(self, metadata: Metadata, body: bytes, claims: bytes = b"") -> str:
        """Return a token. The caller compares its length with what it may be."""
        return base64url_encode(self.seal_bytes(metadata, body, claims))

    def seal_bytes(self, metadata: Metadata, body: bytes, claims: bytes = b"") -> bytes:
        """Return what the token spells, for stores that need no text."""
        if self._compress and not metadata.flags & POINTER:
            metadata, body = _compressed(metadata, body)
        header = _HEADER.pack(*metadata, len(claims))
        padding = _PADDINGS[(len(header) + len(claims) + len(body)) % BLOCK]
        content = b"".join((header, claims, body, padding))
        return b"".join((_VERSION_BYTE, *self.box.seal(content)))

    # Opening

    def open(
        self, token: str, *, now: int, lifetime: Lifetime
    ) -> tuple[Metadata, bytes, bytes]:
        """Return metadata, claims and body of a token that is good at the time *now*.

        Raise BadToken, and nothing else whatever the token is.
        """
        __traceback_hide__ = True
        opened = self.unseal(token)
        check_times(opened[0], now, lifetime)
        return opened

    def unseal(self, token: str) -> tuple[Metadata, bytes, bytes]:
        """Return metadata, claims and body of an authentic token of any age.

        Raise BadToken.
        """
        __traceback_hide__ = True
        if len(token) > self.limit:
            raise BadToken("malformed")
        if token[:_OWN_CHARACTERS] not in self._known:
            raise BadToken(_prefix_problem(token))
        return self.unseal_bytes(base64url_decode(token))

    def unseal_bytes(self, raw: bytes) -> tuple[Metadata, bytes, bytes]:
        """See :meth:`unseal`; for what :meth:`seal_bytes` returned."""
        __traceback_hide__ = True
        if len(raw) % BLOCK or len(raw) <= OVERHEAD:
            raise BadToken("malformed")
        content = self.box.open(raw[KEY_ID], raw[_NONCE], raw[_SEALED])
        return _take_apart(content)

    def knows(self, token: str) -> bool:
        """Tell from length and first characters whether a token can be one of ours."""
        return len(token) % 64 == 0 and token[:_OWN_CHARACTERS] in self._known

    def is_stale(self, token: str) -> bool:
        """Tell whether a good token was sealed by another key than the current one."""
        return not token.startswith(self._current)


def _prefix_problem(token: str) -> Reason:
    """Say why a token that begins like none of ours is refused."""
    if _OWN_VERSION.match(token):
        return "unknown_key"
    read_prefix(token)  # raises for what is no prefix of any version
    return "unknown_version"


def _beginning(key_id: bytes) -> str:
    """Return how all tokens of a key begin."""
    return base64url_encode(_VERSION_BYTE + key_id + b"\0")[:_OWN_CHARACTERS]


def _compressed(metadata: Metadata, body: bytes) -> tuple[Metadata, bytes]:
    """Return both as they are sealed where the site compresses."""
    smaller = deflate(body)
    if smaller is None:
        return metadata, body
    return metadata._replace(flags=metadata.flags | COMPRESSED), smaller


def _take_apart(padded: bytes) -> tuple[Metadata, bytes, bytes]:
    """Remove the padding, check the metadata. Raise BadToken ``undecodable``."""
    content = padded.rstrip(b"\0")
    if len(padded) - len(content) >= BLOCK or len(content) <= _HEADER.size:
        raise BadToken("undecodable")
    sid, created, issued, expires, age, flags, size = _HEADER.unpack_from(content)
    start = _HEADER.size + size
    if (
        content[-1] != _PADDING_MARK
        or start >= len(content)
        or flags & ~KNOWN_FLAGS
        or created > issued
    ):
        raise BadToken("undecodable")
    body = content[start:-1]
    if flags & COMPRESSED:
        body = inflate(body)
    metadata = Metadata(sid, created, issued, expires, age, flags)
    return metadata, content[_HEADER.size : start], body
