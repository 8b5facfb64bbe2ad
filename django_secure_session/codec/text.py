"""Bytes to cookie values and back, in exactly one spelling."""

from __future__ import annotations

import binascii

from django_secure_session.exceptions import BadToken
from django_secure_session.keyring import KEY_ID_BYTES

_PREFIX_CHARACTERS = 12  # 9 bytes: version, key id and the first byte of the nonce
_PREFIX_BYTES = 9
KEY_ID = slice(1, 1 + KEY_ID_BYTES)


def base64url_encode(raw: bytes) -> str:
    """Return what cookies may hold."""
    # Two replace() calls take half the time of one translate().
    standard = binascii.b2a_base64(raw, newline=False)
    return standard.replace(b"+", b"-").replace(b"/", b"_").decode()


def base64url_decode(text: str) -> bytes:
    """Decode without accepting padding, white space or the other alphabet."""
    # Before Python 3.13 the strict decoder took any padding after a whole text.
    if "=" in text or "+" in text or "/" in text:
        raise BadToken("malformed")
    standard = text.replace("-", "+").replace("_", "/")
    try:
        return binascii.a2b_base64(standard, strict_mode=True)
    except ValueError:  # binascii.Error, and what it says about non-ASCII text
        raise BadToken("malformed") from None


def read_prefix(token: str) -> tuple[int, bytes]:
    """Return version and key id, from the first 12 characters alone.

    Raise BadToken ``malformed``.
    """
    prefix = base64url_decode(token[:_PREFIX_CHARACTERS])
    if len(prefix) < _PREFIX_BYTES:
        raise BadToken("malformed")
    return prefix[0], prefix[KEY_ID]
