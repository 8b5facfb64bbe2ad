"""The codec in one step each way, for tests."""

from __future__ import annotations

from typing import Any

from django_secure_session.codec import Codec
from django_secure_session.codec.metadata import Lifetime, Metadata


def encode(
    codec: Codec, metadata: Metadata, data: dict[str, Any], claims: bytes = b""
) -> str:
    return codec.seal(metadata, codec.dump(data), claims)


def decode(
    codec: Codec, token: str, *, now: int, age: int, absolute: int | None = None
) -> tuple[Metadata, bytes, dict[str, Any]]:
    metadata, claims, body = codec.open(
        token, now=now, lifetime=Lifetime(age, absolute)
    )
    return metadata, claims, codec.read_body(body)
