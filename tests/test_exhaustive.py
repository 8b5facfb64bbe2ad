"""Every change of a token, and hundreds of thousands of contents: make test-heavy."""

from __future__ import annotations

import base64
import os

import pytest

from django_secure_session.codec import BLOCK, Codec
from django_secure_session.codec.metadata import Metadata
from django_secure_session.exceptions import BadToken
from django_secure_session.keyring import Keyring, RootKey, generate_key
from django_secure_session.serializers import CompactJSON
from tests.sealing import decode, encode

pytestmark = pytest.mark.heavy

CODEC = Codec(
    Keyring([RootKey(generate_key(), "KEY")]).box("session", "default", ""),
    CompactJSON(),
    4087,
)
META = Metadata(bytes(16), 1_800_000_000, 1_800_000_000, 1_900_000_000)
TOKEN = encode(CODEC, META, {"user": 7, "cart": [{"sku": "A-1", "qty": 2}] * 5})
LATIN_1 = [chr(code) for code in range(256)]


def outcome(token: str) -> str | dict:
    try:
        _, _, data = decode(CODEC, token, now=1_800_000_001, age=10**9, absolute=None)
        return data
    except BadToken as refusal:
        return refusal.reason


def _seal(content: bytes) -> str:
    """Seal any content with the right key, as a faulty writer would."""
    padded = content + b"\x80" + bytes(-(len(content) + 1) % BLOCK)
    raw = b"\x01" + b"".join(CODEC.box.seal(padded))
    return base64.urlsafe_b64encode(raw).decode()


def _sealed_parts(token: str) -> tuple[bytes, bytes, bytes]:
    raw = base64.urlsafe_b64decode(token)
    return raw[1:8], raw[8:32], raw[32:]


def test_every_other_character_at_every_position_is_refused():
    for position, original in enumerate(TOKEN):
        for character in LATIN_1:
            changed = TOKEN[:position] + character + TOKEN[position + 1 :]
            if character != original:
                assert isinstance(outcome(changed), str), (position, character)


def test_every_changed_bit_is_refused():
    raw = base64.urlsafe_b64decode(TOKEN)
    for bit in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        assert isinstance(outcome(base64.urlsafe_b64encode(changed).decode()), str)


def test_every_character_inserted_or_removed_is_refused():
    for position in range(len(TOKEN) + 1):
        shorter = TOKEN[:position] + TOKEN[position + 1 :]
        assert isinstance(outcome(shorter + "A"), str) or shorter + "A" == TOKEN
        for character in LATIN_1:
            assert isinstance(
                outcome(TOKEN[:position] + character + TOKEN[position:]), str
            )


def test_every_two_swapped_characters_are_refused():
    for one in range(len(TOKEN)):
        for other in range(one):
            if TOKEN[one] != TOKEN[other]:
                changed = list(TOKEN)
                changed[one], changed[other] = changed[other], changed[one]
                assert isinstance(outcome("".join(changed)), str)


def test_every_cut_of_two_tokens_into_one_is_refused():
    other = encode(CODEC, META, {"user": 8, "cart": [{"sku": "B-2", "qty": 3}] * 5})
    for cut in range(12, len(TOKEN)):
        assert outcome(TOKEN[:cut] + other[cut:]) in {"tampered", "malformed"}


def test_random_content_under_the_right_key_is_a_session_or_refused():
    for _ in range(1_000_000):
        result = outcome(_seal(os.urandom(os.urandom(1)[0] % 96)))
        assert result in {"undecodable", "future", "expired"} or isinstance(
            result, dict
        )


def test_random_json_under_the_right_key_is_a_session_or_refused():
    header = CODEC.box.open(*_sealed_parts(encode(CODEC, META, {})))[:35]
    pieces = [b"{", b"}", b"[", b"]", b'"a"', b":", b",", b"1", b"null", b"\\", b" "]
    results = set()
    for round_ in range(1_000_000):
        body = b"".join(pieces[byte % 11] for byte in os.urandom(1 + round_ % 12))
        result = outcome(_seal(header + body))
        results.add(result if isinstance(result, str) else type(result))

    assert results == {"undecodable", dict}
