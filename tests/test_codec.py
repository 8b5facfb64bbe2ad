from __future__ import annotations

import base64
import binascii
import json
import secrets
import string
import struct
import zlib

import pytest
from django.core import signing

from django_secure_session.codec import BLOCK, Codec
from django_secure_session.codec.metadata import (
    COMPRESSED,
    ENDS_WITH_BROWSER,
    FIXED_DATE,
    KNOWN_FLAGS,
    MAX_CLOCK_SKEW,
    Metadata,
)
from django_secure_session.codec.text import read_prefix
from django_secure_session.exceptions import BadToken
from django_secure_session.keyring import Keyring, RootKey, boxes, generate_key
from django_secure_session.serializers import CompactJSON
from tests.sealing import decode, encode

NOW = 1_800_000_000
DAY = 86400
SID = bytes(range(16))
META = Metadata(SID, NOW - 100, NOW, NOW + DAY)
DATA = {"user": 7, "cart": [1, 2, {"sku": "ä"}]}
NOW_AND_POLICY = {"now": NOW, "age": DAY, "absolute": None}
HEADER = struct.Struct(">16sIIIIBH")


def make_codec(*roots: RootKey, context=("session", "default", ""), limit=4000):
    roots = roots or (RootKey(generate_key(), "KEY"),)
    return Codec(Keyring(roots).box(*context), CompactJSON(), limit)


@pytest.fixture
def codec():
    return make_codec()


def open_token(codec, token, *, now=NOW, age=DAY, absolute=None):
    _, _, data = decode(codec, token, now=now, age=age, absolute=absolute)
    return data


def refusal(codec, token, **times):
    with pytest.raises(BadToken) as caught:
        open_token(codec, token, **times)
    return caught.value.reason


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


def seal_plaintext(codec, plaintext: bytes) -> str:
    """Seal any bytes with the right key, as a faulty or foreign writer would."""
    return b64(b"\x01" + b"".join(codec.box.seal(plaintext)))


def plaintext(*, meta=META, claims=b"", claims_size=None, body=b"{}") -> bytes:
    size = len(claims) if claims_size is None else claims_size
    content = HEADER.pack(*meta, size) + claims + body + b"\x80"
    return content + bytes(-len(content) % BLOCK)


def test_what_was_sealed_opens(codec):
    token = encode(codec, META, DATA)

    assert decode(codec, token, **NOW_AND_POLICY) == (META, b"", DATA)
    assert codec.is_stale(token) is False


def test_claims_are_kept_apart_from_the_data(codec):
    token = encode(codec, META, DATA, claims=b'{"role":"admin"}')

    assert decode(codec, token, **NOW_AND_POLICY) == (META, b'{"role":"admin"}', DATA)


@pytest.mark.parametrize("size", range(100))
def test_every_token_is_a_multiple_of_64_characters_of_the_cookie_alphabet(codec, size):
    token = encode(codec, META, {"x": "y" * size})

    assert len(token) % 64 == 0
    assert set(token) <= set(string.ascii_letters + string.digits + "-_")
    assert open_token(codec, token) == {"x": "y" * size}


def test_sessions_of_nearly_the_same_size_give_tokens_of_the_same_size(codec):
    lengths = {len(encode(codec, META, {"x": "y" * size})) for size in range(10, 30)}

    assert len(lengths) == 1


def test_sealing_twice_gives_two_unrelated_tokens(codec):
    one, other = (encode(codec, META, DATA) for _ in range(2))

    assert one[:10] == other[:10]  # version and key id
    assert one[12:] != other[12:]


def test_the_token_hides_its_content_in_base64_at_any_offset(codec):
    token = encode(codec, META, {"marker": "marker" * 20})

    for start in range(len(token)):
        text = token[start:]
        decoded = base64.urlsafe_b64decode(text[: len(text) // 4 * 4])
        assert b"marker" not in decoded


# Refusing what is not ours


@pytest.mark.parametrize("position", range(128))
def test_any_changed_character_is_refused(codec, position):
    token = encode(codec, META, {"x": 1})
    assert len(token) == 128
    for character in "A-_z":
        if token[position] != character:
            changed = token[:position] + character + token[position + 1 :]
            reason = refusal(codec, changed)
            # Version and key id fill the first 64 bits: ten characters and four bits.
            early = {"unknown_version", "unknown_key"}
            assert reason in ({"tampered"} | early if position <= 10 else {"tampered"})


@pytest.mark.parametrize("length", range(128))
def test_any_truncation_is_refused(codec, length):
    token = encode(codec, META, {})
    assert len(token) == 128

    assert refusal(codec, token[:length]) in {"malformed", "tampered"}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda t: t + "A" * 64, id="longer by a block"),
        pytest.param(lambda t: t[:-64], id="shorter by a block"),
        pytest.param(lambda t: t[:64] + t[-64:] + t[64:-64], id="blocks swapped"),
        pytest.param(lambda t: t[:12] + t[12:][::-1], id="reversed"),
        pytest.param(lambda t: t[:12] + t[12:].swapcase(), id="case swapped"),
    ],
)
def test_rearranged_tokens_are_tampered(codec, change):
    token = encode(codec, META, {"x": "y" * 200})

    assert refusal(codec, change(token)) == "tampered"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda t: t + "=", id="padding"),
        pytest.param(lambda t: t + "=" * 64, id="a block of padding"),
        pytest.param(lambda t: t[:-1] + "=", id="padding instead"),
        pytest.param(lambda t: t[:-2] + "==", id="double padding"),
        pytest.param(lambda t: t[:-4] + "A===", id="triple padding"),
        pytest.param(lambda t: t + "A", id="one more"),
        pytest.param(lambda t: t[:-1], id="one less"),
        pytest.param(lambda t: t + "\n", id="newline after"),
        pytest.param(lambda t: "\n" + t, id="newline before"),
        pytest.param(lambda t: t[:40] + "\n" + t[41:], id="newline within"),
        pytest.param(lambda t: t[:40] + " " + t[41:], id="space within"),
        pytest.param(lambda t: t[:40] + "+" + t[41:], id="standard alphabet +"),
        pytest.param(lambda t: t[:40] + "/" + t[41:], id="standard alphabet /"),
        pytest.param(lambda t: t[:40] + "\0" + t[41:], id="NUL"),
        pytest.param(lambda t: t[:40] + "ä" + t[41:], id="not ASCII"),
        pytest.param(lambda t: t[:40] + "\ud800" + t[41:], id="lone surrogate"),
        pytest.param(lambda t: t[:40] + "\uff21" + t[41:], id="full-width A"),
        pytest.param(lambda t: f'"{t}"', id="quoted"),
        pytest.param(lambda t: t.replace("A", "%41", 1) + "%", id="percent-encoded"),
    ],
)
def test_other_spellings_of_a_token_are_malformed(codec, change):
    token = encode(codec, META, {"A": "A" * 200})
    changed = change(token)

    assert changed != token
    assert refusal(codec, changed) == "malformed"


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("", "malformed"),
        ("A", "malformed"),
        ("A" * 11, "malformed"),
        ("A" * 12, "unknown_version"),
        ('{"user": 7}', "malformed"),
        (json.dumps({"user": 7, "padding": "x" * 200}), "malformed"),
        ("eyJhbGciOiJub25lIn0.eyJzdWIiOiI3In0.", "unknown_version"),
        ("gAAAAABk" + "A" * 120 + "=", "unknown_version"),
        ("Fe26.2**48e12b7b44bf2901b29ba8e0f4944c9e7d86f3f2b4833d9e", "malformed"),
        ("s:7fkGz3hFGXrJxQmYQ.Xg7sdfJ1lmd", "malformed"),
        ("h4x0r" * 700, "unknown_version"),
        ("\0" * 128, "malformed"),
    ],
)
def test_foreign_tokens_are_refused(codec, token, reason):
    assert refusal(codec, token) == reason


@pytest.mark.parametrize("compress", [False, True])
def test_tokens_signed_by_django_are_refused(codec, compress):
    token = signing.dumps({"user": 7, "x": "y" * 300}, compress=compress)

    assert refusal(codec, token) in {"malformed", "unknown_version"}


def test_a_token_over_the_limit_is_malformed_whoever_sealed_it():
    root = RootKey(generate_key(), "KEY")
    token = encode(make_codec(root), META, {"x": "y" * 1000})

    assert open_token(make_codec(root, limit=len(token)), token)
    assert refusal(make_codec(root, limit=len(token) - 1), token) == "malformed"


def test_every_version_but_the_first_is_unknown(codec):
    raw = base64.urlsafe_b64decode(encode(codec, META, DATA))

    for version in [0, *range(2, 256)]:
        token = b64(bytes([version]) + raw[1:])
        assert refusal(codec, token) == "unknown_version"


@pytest.mark.parametrize("bit", range(56))
def test_a_key_id_that_differs_in_one_bit_is_unknown(codec, bit):
    raw = bytearray(base64.urlsafe_b64decode(encode(codec, META, DATA)))
    raw[1 + bit // 8] ^= 1 << bit % 8

    assert refusal(codec, b64(bytes(raw))) == "unknown_key"


@pytest.mark.parametrize("length", [12, 128, 4000])
def test_unknown_versions_and_keys_cost_no_decryption(codec, monkeypatch, length):
    def decrypt(*args):
        raise AssertionError("decrypted")

    monkeypatch.setattr(boxes, "crypto_secretbox_open", decrypt)
    foreign = encode(make_codec(), META, {"x": "y" * 2000})[:length].ljust(length, "A")

    assert refusal(codec, foreign) == "unknown_key"
    assert refusal(codec, "A" * length) == "unknown_version"


def test_refusing_an_unknown_key_decodes_no_base64(codec, monkeypatch):
    foreign = encode(make_codec(), META, {"x": "y" * 2000})
    monkeypatch.setattr(
        binascii, "a2b_base64", lambda *args, **kwargs: pytest.fail("decoded")
    )

    assert refusal(codec, foreign) == "unknown_key"


@pytest.mark.parametrize(
    "context",
    [
        ("reset", "default", ""),
        ("session", "prefs", ""),
        ("session", "default", "shop"),
        ("", "sessiondefault", ""),
        ("sessiondefault", "", ""),
        ("session", "", "default"),
    ],
)
def test_a_token_never_opens_in_another_context(context):
    root = RootKey(generate_key(), "KEY")
    token = encode(make_codec(root), META, DATA)

    assert refusal(make_codec(root, context=context), token) == "unknown_key"


def test_a_token_of_another_key_is_an_unknown_key(codec):
    assert refusal(codec, encode(make_codec(), META, DATA)) == "unknown_key"


def test_a_fallback_key_opens_and_says_so():
    new, old = (RootKey(generate_key(), label) for label in ("KEY", "old"))
    token = encode(make_codec(old), META, DATA)
    codec = make_codec(new, old)

    assert open_token(codec, token) == DATA
    assert codec.is_stale(token) is True


# The right key, but wrong content


def test_hand_sealed_content_opens_if_it_is_right(codec):
    token = seal_plaintext(codec, plaintext(body=b'{"a":1}'))

    assert open_token(codec, token) == {"a": 1}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"[1,2]",
        b'"text"',
        b"7",
        b"null",
        b"true",
        b"{",
        b'{"a":1',
        b'{"a":1}}',
        b'{"a":1} ',
        b" {}",
        b"{'a':1}",
        b'{"a":1}\x00x',
        b"\xff\xfe{}",
        b'{"a":"\xff"}',
        b'{"a":' + b"1" * 5000 + b"}",
        b"not json at all",
        b'{"a":' + b"[" * 101 + b"]" * 101 + b"}",
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    ],
    ids=lambda body: f"{body[:16]!r} of {len(body)}",
)
def test_a_body_that_is_no_json_object_is_undecodable(body):
    codec = make_codec(limit=2_000_000)

    assert refusal(codec, seal_plaintext(codec, plaintext(body=body))) == "undecodable"


@pytest.mark.parametrize("flags", [1 << bit for bit in range(8)])
def test_unknown_flags_are_undecodable(codec, flags):
    body = zlib.compress(b"{}") if flags & COMPRESSED else b"{}"
    content = plaintext(meta=META._replace(flags=flags), body=body)
    token = seal_plaintext(codec, content)

    if flags & KNOWN_FLAGS:
        assert codec.unseal(token)[0].flags == flags
    else:
        assert refusal(codec, token) == "undecodable"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(bytes(48), id="zeros only"),
        pytest.param(b"\x80" + bytes(47), id="padding only"),
        pytest.param(b"x" * 48, id="no padding"),
        pytest.param(plaintext() + bytes(48), id="a block of padding too many"),
        pytest.param(plaintext()[:-1] + b"\x01", id="wrong byte at the end"),
        pytest.param(
            (HEADER.pack(*META, 0) + b"{}").ljust(48, b"\0"), id="padding unmarked"
        ),
        pytest.param(
            (HEADER.pack(*META, 0)[:-1] + b"\x80").ljust(48, b"\0"), id="header cut"
        ),
        pytest.param(plaintext(claims_size=3), id="claims over the end"),
        pytest.param(plaintext(claims_size=65535), id="claims far over the end"),
        pytest.param(
            plaintext(meta=META._replace(created=NOW + 1)), id="created after issued"
        ),
    ],
)
def test_wrong_padding_and_metadata_are_undecodable(codec, content):
    assert len(content) % BLOCK == 0
    assert refusal(codec, seal_plaintext(codec, content)) == "undecodable"


@pytest.mark.parametrize("size", [1, 47, 49])
def test_a_sealed_text_of_the_wrong_size_is_malformed(codec, size):
    token = b64(b"\x01" + b"".join(codec.box.seal(b"x" * size))).rstrip("=")

    assert refusal(codec, token) == "malformed"


def test_nothing_sealed_is_malformed(codec):
    assert refusal(codec, seal_plaintext(codec, b"")) == "malformed"


# Times


@pytest.mark.parametrize(
    ("offset", "reason"), [(-1, None), (0, "expired"), (1, "expired")]
)
@pytest.mark.parametrize(
    ("meta", "age", "absolute", "deadline"),
    [
        pytest.param(META, 10 * DAY, None, NOW + DAY, id="expires"),
        pytest.param(META, 50, None, NOW + 50, id="a policy shortened since"),
        pytest.param(META, DAY, 150, NOW + 50, id="absolute"),
        pytest.param(META._replace(age=DAY), 50, None, NOW + DAY, id="own lifetime"),
        pytest.param(META._replace(age=DAY), 50, 150, NOW + 50, id="own, but absolute"),
        pytest.param(
            META._replace(flags=FIXED_DATE), 50, None, NOW + DAY, id="own date"
        ),
        pytest.param(
            META._replace(flags=ENDS_WITH_BROWSER), 50, None, NOW + 50, id="browser"
        ),
    ],
)
def test_a_session_dies_at_its_deadline(
    codec, meta, age, absolute, deadline, offset, reason
):
    token = encode(codec, meta, DATA)
    times = {"now": deadline + offset, "age": age, "absolute": absolute}

    if reason is None:
        assert open_token(codec, token, **times) == DATA
    else:
        assert refusal(codec, token, **times) == reason


@pytest.mark.parametrize(
    ("ahead", "refused"),
    [(MAX_CLOCK_SKEW - 1, False), (MAX_CLOCK_SKEW, False), (MAX_CLOCK_SKEW + 1, True)],
)
def test_a_token_issued_over_a_minute_ahead_is_from_the_future(codec, ahead, refused):
    token = encode(codec, META, DATA)

    if refused:
        assert refusal(codec, token, now=NOW - ahead) == "future"
    else:
        assert open_token(codec, token, now=NOW - ahead) == DATA


def test_an_expired_token_is_not_parsed(codec, monkeypatch):
    token = encode(codec, META, DATA)
    monkeypatch.setattr(
        CompactJSON, "loads", lambda *args: pytest.fail("parsed an expired session")
    )

    assert refusal(codec, token, now=NOW + 2 * DAY) == "expired"


# Small print


def test_read_prefix_tells_version_and_key_id(codec):
    token = encode(codec, META, DATA)

    assert read_prefix(token) == (1, codec.box.current_id)
    assert read_prefix(token[:12]) == (1, codec.box.current_id)


def test_the_body_is_what_djangos_serializer_writes(codec):
    data = {"a": [1, 2.5, None, True], "ü": "\u2028\ud800", 7: {"x": "</script>"}}

    assert codec.dump(data) == signing.JSONSerializer().dumps(data)


def test_secrets_are_in_no_repr():
    root = RootKey(secret := secrets.token_bytes(32), "KEY")
    shown = repr(make_codec(root)) + repr(make_codec(root).box) + repr(root)

    assert repr(secret)[2:10] not in shown
    assert secret.hex()[:8] not in shown
