"""Sealed tokens: a session dict and its metadata to a cookie value and back.

Token version 1 looks like this::

    token     = base64url of  0x01 | key_id(7) | nonce(24) | secretbox(plaintext)
    plaintext = ISO/IEC 7816-4 padding to a multiple of 48 bytes of
                sid(16) | created u32 | issued u32 | expires u32 | age u32 | flags u8
                | u16 length | claims | body

Sealing goes through these steps, and opening through the same ones backwards:

1. the serializer turns the session dict into the body;
2. metadata and claims are put before it;
3. padding hides the exact length;
4. secretbox (XSalsa20-Poly1305) encrypts and authenticates;
5. base64url makes it a cookie value. Its length is a multiple of 64, so there is never
   a "=" and never a second spelling of the same token.

This module knows neither requests nor settings. docs/reference/token-format.md tells
the format so exactly that one can write a second decoder.
"""

from __future__ import annotations

import binascii
import re
import struct
from typing import Any, NamedTuple

from django_secure_session.exceptions import BadToken, Reason
from django_secure_session.keyring import KEY_ID_BYTES, NONCE_BYTES, Box
from django_secure_session.serializers import Serializer

VERSION = 1
BLOCK = 48  # 48 bytes are 64 characters: 3 | 48, so base64 never needs padding
OVERHEAD = 48  # version, key id, nonce and authentication tag
MAX_CLOCK_SKEW = 60  # seconds that the clocks of two hosts may be apart
U32_MAX = 0xFFFFFFFF  # times stop in the year 2106

ENDS_WITH_BROWSER = 1
FIXED_DATE = 8  # `expires` is a date that saving does not move
KNOWN_FLAGS = ENDS_WITH_BROWSER | FIXED_DATE

_PADDING_MARK = 0x80
#: What to append to a content whose length leaves this remainder: ISO/IEC 7816-4.
_PADDINGS = [b"\x80".ljust(BLOCK - rest, b"\0") for rest in range(BLOCK)]
_HEADER = struct.Struct(">16sIIIIBH")
_VERSION_BYTE = VERSION.to_bytes()
_KEY_ID = slice(1, 1 + KEY_ID_BYTES)
_NONCE = slice(_KEY_ID.stop, _KEY_ID.stop + NONCE_BYTES)
_SEALED = slice(_NONCE.stop, None)
_PREFIX_CHARACTERS = 12  # 9 bytes: version, key id and the first byte of the nonce
_PREFIX_BYTES = 9
_OWN_CHARACTERS = 10  # that no bit of the nonce goes into: 60 of the first 64 bits
#: Any prefix with VERSION in it: the byte 0x01 is "A" and one of "Q" to "f".
_OWN_VERSION = re.compile("A[Q-Za-f][A-Za-z0-9_-]{10}")


class Metadata(NamedTuple):
    """What is sealed beside the session dict; times are Unix seconds.

    ``age`` is a custom lifetime in seconds counted from the last save, 0 for the
    site's policy.
    """

    sid: bytes
    created: int
    issued: int
    expires: int
    age: int = 0
    flags: int = 0

    def deadline(self, age: int, absolute: int | None) -> int:
        """Return when the session dies under the site's policy of today.

        *age* counts from the last save and gives way to a custom lifetime; *absolute*
        counts from ``created`` and never does. So shortening either takes effect at
        once, also for cookies that are already out.
        """
        _, created, issued, deadline, own_age, flags = self
        if not own_age and not flags & FIXED_DATE and issued + age < deadline:
            deadline = issued + age
        if absolute is not None and created + absolute < deadline:
            deadline = created + absolute
        return deadline


class Codec:
    """Seal and open the tokens of one context, at most *limit* characters long."""

    __slots__ = ("_current", "_known", "_serializer", "box", "limit")

    def __init__(self, box: Box, serializer: Serializer, limit: int) -> None:
        self.box = box
        self.limit = limit
        self._serializer = serializer
        # How the tokens of each key begin, so that nothing else is ever decoded.
        self._known = frozenset(map(_beginning, box.ids))
        self._current = _beginning(box.current_id)

    def encode(
        self, metadata: Metadata, data: dict[str, Any], claims: bytes = b""
    ) -> str:
        """Seal *data* into a token. The caller compares its length with ``limit``.

        Raise what the serializer raises, and SessionTooDeep.
        """
        body = self._serializer.dumps(data)
        header = _HEADER.pack(*metadata, len(claims))
        padding = _PADDINGS[(len(header) + len(claims) + len(body)) % BLOCK]
        content = b"".join((header, claims, body, padding))
        return _base64url_encode(b"".join((_VERSION_BYTE, *self.box.seal(content))))

    def decode(
        self, token: str, *, now: int, age: int, absolute: int | None
    ) -> tuple[Metadata, bytes, dict[str, Any]]:
        """Return metadata, claims and data of a token that is good at the time *now*.

        See :meth:`Metadata.deadline` for *age* and *absolute*. Raise BadToken, and
        nothing else whatever the token is.
        """
        __traceback_hide__ = True
        metadata, claims, body = self.unseal(token)
        check_times(metadata, now, age, absolute)
        return metadata, claims, self.read_body(body)

    def is_stale(self, token: str) -> bool:
        """Tell whether a good token was sealed by another key than the current one."""
        return not token.startswith(self._current)

    def unseal(self, token: str) -> tuple[Metadata, bytes, bytes]:
        """Return metadata, claims and body of an authentic token.

        Its times are not checked yet, nor its body read. Raise BadToken.
        """
        __traceback_hide__ = True
        if len(token) > self.limit:
            raise BadToken("malformed")
        if token[:_OWN_CHARACTERS] not in self._known:
            raise BadToken(_prefix_problem(token))
        raw = _base64url_decode(token)
        if len(raw) % BLOCK or len(raw) == OVERHEAD:
            raise BadToken("malformed")
        return _take_apart(self.box.open(raw[_KEY_ID], raw[_NONCE], raw[_SEALED]))

    def body(self, data: dict[str, Any]) -> bytes:
        """Return what would be sealed for *data*, unencrypted."""
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


def check_times(metadata: Metadata, now: int, age: int, absolute: int | None) -> None:
    """Raise BadToken ``future`` or ``expired``. The deadline itself is too late."""
    if metadata.issued > now + MAX_CLOCK_SKEW:
        raise BadToken("future")
    if now >= metadata.deadline(age, absolute):
        raise BadToken("expired")


def read_prefix(token: str) -> tuple[int, bytes]:
    """Return version and key id, from the first 12 characters alone.

    Raise BadToken ``malformed``.
    """
    prefix = _base64url_decode(token[:_PREFIX_CHARACTERS])
    if len(prefix) < _PREFIX_BYTES:
        raise BadToken("malformed")
    return prefix[0], prefix[_KEY_ID]


def _prefix_problem(token: str) -> Reason:
    """Say why a token that begins like none of ours is refused."""
    if _OWN_VERSION.match(token):
        return "unknown_key"
    read_prefix(token)  # raises for what is no prefix of any version
    return "unknown_version"


def _beginning(key_id: bytes) -> str:
    """Return how all tokens of a key begin."""
    return _base64url_encode(_VERSION_BYTE + key_id + b"\0")[:_OWN_CHARACTERS]


def _base64url_encode(raw: bytes) -> str:
    # Two replace() calls take half the time of one translate().
    standard = binascii.b2a_base64(raw, newline=False)
    return standard.replace(b"+", b"-").replace(b"/", b"_").decode()


def _base64url_decode(text: str) -> bytes:
    """Decode without accepting padding, white space or the other alphabet."""
    # Before Python 3.13 the strict decoder took any padding after a whole text.
    if "=" in text or "+" in text or "/" in text:
        raise BadToken("malformed")
    standard = text.replace("-", "+").replace("_", "/")
    try:
        return binascii.a2b_base64(standard, strict_mode=True)
    except ValueError:  # binascii.Error, and what it says about non-ASCII text
        raise BadToken("malformed") from None


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
    metadata = Metadata(sid, created, issued, expires, age, flags)
    return metadata, content[_HEADER.size : start], content[start:-1]
