"""Open tokens of django-secure-session, version 1, without that package.

It needs Python 3.11 and PyNaCl, and reads one token from standard input:

    python decode_token.py KEY_FILE < token.txt
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
import sys
import time
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nacl.bindings import crypto_secretbox_open_easy
from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id

VERSION = 1
BLOCK = 48
HEADER = struct.Struct(">16sIIIIBH")
FIELDS = ("sid", "created", "issued", "expires", "age", "flags", "claims_size")
ENDS_WITH_BROWSER, COMPRESSED, POINTER, FIXED_DATE = 1, 2, 4, 8
CLAIMS = {
    **{"sub": str, "role": str, "verified": bool, "org": str, "iat": int},
    **{"auth_time": int, "amr": list, "log_in": str, "epoch": int},
}
MAX_CLOCK_SKEW = 60
MAX_DEPTH = 100
MAX_BODY = 1 << 20


class Refused(Exception):
    """The token is refused; the only argument is the reason code."""


class Elsewhere(Exception):
    """The session is in a cache: give what is there to open_stored()."""

    def __init__(self, name: bytes, digest: bytes) -> None:
        self.cache_key = f"secure_session.{name.hex()}"
        self.digest = digest
        super().__init__(f"the session is in the cache as {self.cache_key}")


def root_from_secret_key(secret_key: str) -> bytes:
    """Return the root key of a site without a KEY."""
    return hashlib.blake2b(
        secret_key.encode(), digest_size=32, person=b"dss.secret-key"
    ).digest()


def root_from_passphrase(secret: str, salt: str) -> bytes:
    """Return the root key of a site whose KEY is Passphrase(secret, salt=salt)."""
    return argon2id.kdf(
        32, secret.encode(), salt.encode(), opslimit=3, memlimit=256 * 1024 * 1024
    )


def derive(root: bytes, purpose: str, alias: str, audience: str) -> tuple[bytes, bytes]:
    """Return the key id and the subkey of a root key for one context."""
    parts = [part.encode() for part in (purpose, alias, audience)]
    context = b"".join(len(part).to_bytes(2, "big") + part for part in parts)
    subkey = hashlib.blake2b(
        context, digest_size=32, key=root, person=b"dss.subkey.v1"
    ).digest()
    key_id = hashlib.blake2b(
        b"", digest_size=7, key=subkey, person=b"dss.key-id"
    ).digest()
    return key_id, subkey


def decode(
    token: str,
    roots: Iterable[bytes],
    *,
    purpose: str = "session",
    alias: str = "default",
    audience: str = "",
    limit: int = 7587 - 2 * len("sessionid"),
    cookie_age: int = 1209600,
    idle_timeout: int | None = None,
    absolute_timeout: int | None = 2592000,
    now: int | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return metadata and session of a token. Raise Refused or Elsewhere."""
    keys = dict(derive(root, purpose, alias, audience) for root in roots)
    metadata, body = open_token(token, keys, limit)
    now = int(time.time()) if now is None else now
    check_times(metadata, now, cookie_age, idle_timeout, absolute_timeout)
    if metadata["flags"] & POINTER:
        if len(body) != 48:
            raise Refused("undecodable")
        raise Elsewhere(name=body[:16], digest=body[16:])
    return metadata, read_body(body)


def open_stored(
    stored: bytes | None,
    pointer: Elsewhere,
    roots: Iterable[bytes],
    *,
    alias: str = "default",
    audience: str = "",
) -> dict[str, Any]:
    """Return the session in a cache's entry (steps 9 and 10). Raise Refused."""
    if stored is None:
        raise Refused("lost")
    if hashlib.blake2b(stored, digest_size=32).digest() != pointer.digest:
        raise Refused("stale")
    keys = dict(derive(root, "spill", alias, audience) for root in roots)
    _, body = open_bytes(stored, keys)
    return read_body(body)


def join(value: str, further: Iterable[str]) -> str:
    """Return the token of a cookie NAME; *further* are the values of NAME.1."""
    if not re.fullmatch(r"2\.[A-Za-z0-9_-]{20,}", value):
        return value
    first = value[2:]
    mark = first[12:20] + "."
    rest = {piece[len(mark) :] for piece in further if piece.startswith(mark)}
    return first + rest.pop() if len(rest) == 1 else value


def open_token(
    token: str, keys: dict[bytes, bytes], limit: int
) -> tuple[dict[str, Any], bytes]:
    """Check everything but the times and the body (steps 1 to 6)."""
    if len(token) > limit:
        raise Refused("malformed")
    if not re.fullmatch("[A-Za-z0-9_-]{12}", token[:12]):
        raise Refused("malformed")
    prefix = base64.urlsafe_b64decode(token[:12])
    version, key_id = prefix[0], prefix[1:8]
    if version != VERSION:
        raise Refused("unknown_version")
    if key_id not in keys:
        raise Refused("unknown_key")
    if not re.fullmatch("[A-Za-z0-9_-]*", token) or len(token) % 64:
        raise Refused("malformed")
    return open_bytes(base64.urlsafe_b64decode(token), keys)


def open_bytes(raw: bytes, keys: dict[bytes, bytes]) -> tuple[dict[str, Any], bytes]:
    """Open what a token spells, or what a cache holds (steps 4 to 6)."""
    if len(raw) % BLOCK or len(raw) < 2 * BLOCK:
        raise Refused("malformed")
    if raw[1:8] not in keys:
        raise Refused("unknown_key")
    try:
        padded = crypto_secretbox_open_easy(raw[32:], raw[8:32], keys[raw[1:8]])
    except CryptoError:
        raise Refused("tampered") from None
    return take_apart(padded)


def take_apart(padded: bytes) -> tuple[dict[str, Any], bytes]:
    """Remove the padding and read the metadata (step 6)."""
    content = padded.rstrip(b"\0")
    zeros = len(padded) - len(content)
    if zeros >= BLOCK or not content.endswith(b"\x80"):
        raise Refused("undecodable")
    content = content[:-1]
    if len(content) < HEADER.size:
        raise Refused("undecodable")
    metadata = dict(zip(FIELDS, HEADER.unpack_from(content), strict=True))
    start = HEADER.size + metadata["claims_size"]
    if (
        start > len(content)
        or metadata["flags"] & ~(ENDS_WITH_BROWSER | COMPRESSED | POINTER | FIXED_DATE)
        or metadata["created"] > metadata["issued"]
    ):
        raise Refused("undecodable")
    metadata["claims"] = content[HEADER.size : start]
    body = content[start:]
    return metadata, inflate(body) if metadata["flags"] & COMPRESSED else body


def inflate(body: bytes) -> bytes:
    """Decompress one whole zlib stream of a bounded size."""
    stream = zlib.decompressobj()
    try:
        inflated = stream.decompress(body, MAX_BODY + 1)
    except zlib.error:
        raise Refused("undecodable") from None
    if len(inflated) > MAX_BODY or not stream.eof or stream.unused_data:
        raise Refused("undecodable")
    return inflated


def check_times(
    metadata: dict[str, Any],
    now: int,
    cookie_age: int,
    idle_timeout: int | None,
    absolute_timeout: int | None,
) -> None:
    """Apply the site's policy of today (step 7)."""
    if metadata["issued"] > now + MAX_CLOCK_SKEW:
        raise Refused("future")
    default = not metadata["age"] and not metadata["flags"] & FIXED_DATE
    deadline = metadata["expires"]
    if default:
        age = cookie_age if idle_timeout is None else idle_timeout
        deadline = min(deadline, metadata["issued"] + age)
    end = float("inf")
    if absolute_timeout is not None:
        end = metadata["created"] + absolute_timeout
    if now >= end or (now >= deadline and (idle_timeout is None or not default)):
        raise Refused("expired")
    if now >= deadline:
        raise Refused("idle")


def read_claims(claims: bytes, session: dict[str, Any]) -> dict[str, Any] | None:
    """Return who is logged in, however long ago the site was asked, or None."""
    try:
        content = json.loads(claims.decode())
    except (ValueError, RecursionError):
        return None
    if not are_claims(content):
        return None
    names = ("_auth_user_id", "_auth_user_backend", "_auth_user_hash")
    texts = "\n".join(str(session.get(name, "")) for name in names)
    digest = hashlib.blake2b(texts.encode(), digest_size=16).digest()
    expected = base64.urlsafe_b64encode(digest)[:22].decode()
    return content if content.get("log_in", "") in ("", expected) else None


def are_claims(content: Any) -> bool:
    """Tell whether an object is what claims have to be."""
    if not isinstance(content, dict) or not {"sub", "role", "iat"} <= content.keys():
        return False
    for name, kind in CLAIMS.items():
        if not isinstance(content.get(name, kind()), kind):
            return False
    named = all(content.get(name, "-") for name in ("sub", "role", "org"))
    least = min(content.get(name, 0) for name in ("iat", "auth_time", "epoch"))
    return (
        named and least >= 0 and all(isinstance(m, str) for m in content.get("amr", ()))
    )


def read_body(body: bytes) -> dict[str, Any]:
    """Parse the JSON that Django's default serializer writes (step 10)."""
    try:
        text = body.decode()
        value, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        raise Refused("undecodable") from None
    if end != len(text) or not isinstance(value, dict) or depth(value) > MAX_DEPTH:
        raise Refused("undecodable")
    return value


def depth(value: object) -> int:
    """Count the levels of dicts and lists, level by level and so without a stack."""
    levels, level = 0, [value]
    while level := [item for item in level if isinstance(item, (dict, list))]:
        levels += 1
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item)
        ]
    return levels


def main() -> None:
    """Print what one token holds."""
    root = base64.b64decode(Path(sys.argv[1]).read_text())
    try:
        metadata, data = decode(sys.stdin.read().strip(), [root])
    except Refused as refusal:
        sys.exit(f"refused: {refusal}")
    except Elsewhere as pointer:
        sys.exit(str(pointer))
    metadata["sid"] = base64.urlsafe_b64encode(metadata["sid"])[:22].decode()
    metadata["claims"] = read_claims(metadata["claims"], data)
    sys.stdout.write(json.dumps({**metadata, "session": data}, indent=2) + "\n")


if __name__ == "__main__":
    main()
