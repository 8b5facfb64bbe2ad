"""Compression of the body, for sites that chose it.

The length of what is compressed tells about its content: who can make a visitor's
session hold a guess and sees the length of the cookie learns whether the guess was
right (the CRIME and BREACH attacks, CVE-2012-4929 and CVE-2013-3587).
"""

from __future__ import annotations

import zlib

from django_secure_session.exceptions import BadToken

MAX_BODY = 1 << 20  # bytes; what would inflate to more is neither sealed nor opened


def deflate(body: bytes) -> bytes | None:
    """Return the body in fewer bytes, or None where it stays as it is."""
    if len(body) > MAX_BODY:
        return None
    compressed = zlib.compress(body)
    return compressed if len(compressed) < len(body) else None


def inflate(compressed: bytes) -> bytes:
    """Return the body. Raise BadToken ``undecodable``."""
    decompressor = zlib.decompressobj()
    try:
        # With room for one byte more, or a body of just MAX_BODY would look unfinished.
        body = decompressor.decompress(compressed, MAX_BODY + 1)
    except zlib.error:
        raise BadToken("undecodable") from None
    if not decompressor.eof or decompressor.unused_data or len(body) > MAX_BODY:
        raise BadToken("undecodable")
    return body
