"""COMPRESS: smaller cookies, and no bomb that is larger inside than it may be."""

from __future__ import annotations

import functools
import gzip
import secrets
import time
import tracemalloc
import zlib

import pytest

from django_secure_session import (
    SessionTooLarge,
    create_session,
    decode_session,
    encode_session,
)
from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.codec import Codec
from django_secure_session.codec.compression import MAX_BODY, deflate, inflate
from django_secure_session.codec.metadata import (
    COMPRESSED,
    ENDS_WITH_BROWSER,
    POINTER,
    Metadata,
)
from django_secure_session.conf import get_codec
from django_secure_session.exceptions import BadToken
from django_secure_session.keyring import Keyring, RootKey, generate_key
from django_secure_session.serializers import CompactJSON
from tests.sealing import decode, encode
from tests.spilling import cache as cache
from tests.spilling import pointing_to, reopened

NOW = 1_800_000_000
DAY = 86400
META = Metadata(bytes(range(16)), NOW, NOW, NOW + DAY)
REPETITIVE = {"text": "the same words again and again " * 300}  # 9 kB
RANDOM = {"text": secrets.token_hex(8)}


def make_codec(root: RootKey, *, compress: bool, limit: int = 4000) -> Codec:
    box = Keyring([root]).box("session", "default", "")
    return Codec(box, CompactJSON(), limit, compress=compress)


@pytest.fixture
def codecs() -> tuple[Codec, Codec]:
    """Two codecs with one key, the first of which compresses."""
    root = RootKey(generate_key(), "KEY")
    return make_codec(root, compress=True), make_codec(root, compress=False)


@pytest.fixture
def compressing(settings):
    settings.SECURE_SESSION = {**settings.SECURE_SESSION, "COMPRESS": True}
    return settings


def flags_of(codec: Codec, token: str) -> int:
    return codec.unseal(token)[0].flags


def sealed_as(codec: Codec, body: bytes, flags: int = COMPRESSED) -> str:
    """Seal a body as it is, as a faulty or foreign writer with the key would."""
    now = int(time.time())
    sealed = Metadata(secrets.token_bytes(16), now, now, now + DAY, 0, flags)
    return codec.seal(sealed, body)


# The codec


def test_what_was_compressed_opens(codecs):
    for codec in codecs:
        token = encode(codecs[0], META, REPETITIVE)
        assert decode(codec, token, now=NOW, age=DAY)[2] == REPETITIVE


def test_flag_2_says_that_the_body_is_compressed(codecs):
    compressing, plain = codecs

    assert flags_of(plain, encode(compressing, META, REPETITIVE)) == 2
    assert flags_of(plain, encode(plain, META, REPETITIVE | {"text": "short"})) == 0


def test_the_body_on_the_wire_is_a_zlib_stream(codecs, monkeypatch):
    codec, _ = codecs
    contents = []
    seal = type(codec.box).seal

    def noted(box, content):
        contents.append(content)
        return seal(box, content)

    monkeypatch.setattr(type(codec.box), "seal", noted)
    encode(codec, META, REPETITIVE)
    body = contents[0][35:].rstrip(b"\0")[:-1]

    assert zlib.decompress(body) == codec.dump(REPETITIVE)


def test_compression_keeps_the_other_flags_and_the_claims(codecs):
    codec, _ = codecs
    metadata = META._replace(flags=ENDS_WITH_BROWSER, age=7)
    token = encode(codec, metadata, REPETITIVE, claims=b'{"role":"admin"}')
    opened, claims, data = decode(codec, token, now=NOW, age=DAY)

    assert opened == metadata._replace(flags=ENDS_WITH_BROWSER | COMPRESSED)
    assert (claims, data) == (b'{"role":"admin"}', REPETITIVE)


@pytest.mark.parametrize("data", [{}, {"a": 1}, RANDOM])
def test_what_does_not_get_smaller_is_left_alone(data, codecs):
    codec, _ = codecs
    token = encode(codec, META, data)

    assert flags_of(codec, token) == 0
    assert decode(codec, token, now=NOW, age=DAY)[2] == data


def test_a_compressed_token_is_shorter(codecs):
    short, long = (len(encode(codec, META, REPETITIVE)) for codec in codecs)

    assert short * 10 < long


def test_a_pointer_is_never_compressed(codecs):
    codec, _ = codecs
    pointer = bytes(48)
    token = codec.seal(META._replace(flags=POINTER), pointer)

    assert codec.unseal(token)[0].flags == POINTER
    assert codec.unseal(token)[2] == pointer


# The bound


@pytest.mark.parametrize("size", [1, 1000, MAX_BODY - 1, MAX_BODY])
def test_a_body_of_up_to_a_mebibyte_inflates(size):
    body = bytes(size)

    assert inflate(zlib.compress(body)) == body


@pytest.mark.parametrize("size", [MAX_BODY + 1, MAX_BODY + 2, 2 * MAX_BODY])
@pytest.mark.parametrize("level", [1, 6, 9])
def test_a_body_over_a_mebibyte_is_undecodable(size, level):
    with pytest.raises(BadToken, match="undecodable"):
        inflate(zlib.compress(bytes(size), level))


def test_what_opening_refuses_is_not_compressed():
    assert deflate(bytes(MAX_BODY)) is not None
    assert deflate(bytes(MAX_BODY + 1)) is None


def test_a_mebibyte_is_the_bound_that_is_documented():
    assert MAX_BODY == 1_048_576


@functools.cache
def bomb() -> bytes:
    """Return a stream that is 50 times as large inside as it may be."""
    return zlib.compress(bytes(50 * MAX_BODY), 9)


def test_a_bomb_is_refused_with_flat_memory():
    stream = bomb()
    tracemalloc.start()
    try:
        with pytest.raises(BadToken, match="undecodable"):
            inflate(stream)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 4 * MAX_BODY


def test_a_stream_that_holds_a_bomb_after_its_end_is_refused_with_flat_memory():
    stream = zlib.compress(b"{}") + bomb()
    tracemalloc.start()
    try:
        with pytest.raises(BadToken, match="undecodable"):
            inflate(stream)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 4 * MAX_BODY


WHOLE = zlib.compress(b'{"user":"ada"}')
RAW = zlib.compressobj(wbits=-15)
DICTIONARY = zlib.compressobj(zdict=b'{"user":"')

BROKEN = {
    "nothing": b"",
    "no stream": b'{"user":"ada"}',
    "a byte after the end": WHOLE + b"\0",
    "a stream after the end": WHOLE + WHOLE,
    "wrong checksum": WHOLE[:-1] + bytes([WHOLE[-1] ^ 1]),
    "gzip": gzip.compress(b'{"user":"ada"}'),
    "no header": RAW.compress(b'{"user":"ada"}') + RAW.flush(),
    "dictionary": DICTIONARY.compress(b'{"user":"ada"}') + DICTIONARY.flush(),
    "compressed twice": zlib.compress(WHOLE),
    "no JSON": zlib.compress(b"junk"),
    "no dict": zlib.compress(b"[1]"),
    "nothing inside": zlib.compress(b""),
    **{f"cut to {n}": WHOLE[:n] for n in range(1, len(WHOLE))},
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_a_broken_stream_is_undecodable(body):
    store = SessionStore(sealed_as(get_codec("default", "session"), body))

    assert store.rejection == "undecodable"
    assert store.data() == {}


def test_a_whole_stream_of_another_writer_opens():
    store = SessionStore(sealed_as(get_codec("default", "session"), WHOLE))

    assert store.data() == {"user": "ada"}


def test_a_compressed_body_without_the_flag_is_undecodable():
    store = SessionStore(sealed_as(get_codec("default", "session"), WHOLE, flags=0))

    assert store.rejection == "undecodable"


@pytest.mark.parametrize("size", [MAX_BODY + 1, 2 * MAX_BODY])
def test_a_bomb_in_a_cookie_is_a_refused_session(size):
    stream = zlib.compress(bytes(size), 9)
    token = sealed_as(get_codec("default", "session"), stream)

    assert len(token) <= 4096
    assert SessionStore(token).rejection == "undecodable"


# The engine


def test_compress_is_off_by_default():
    assert not sealed_flags(create_session(REPETITIVE | {"text": "x" * 1000}))


def sealed_flags(store: SessionStore) -> int:
    return store._codec.unseal(store.session_key)[0].flags


def test_a_session_that_fits_only_compressed_is_saved(compressing):
    store = create_session(REPETITIVE)

    assert sealed_flags(store) == COMPRESSED
    assert reopened(store).data() == REPETITIVE


def test_turning_compression_off_logs_nobody_out(compressing, settings):
    store = create_session(REPETITIVE)
    settings.SECURE_SESSION = {**settings.SECURE_SESSION, "COMPRESS": False}

    assert reopened(store).data() == REPETITIVE


def test_turning_compression_on_logs_nobody_out(settings):
    store = create_session({"text": "x" * 1000})
    settings.SECURE_SESSION = {**settings.SECURE_SESSION, "COMPRESS": True}
    store = reopened(store)

    assert store.data() == {"text": "x" * 1000}
    store.save()
    assert sealed_flags(store) == COMPRESSED


def test_without_compression_the_next_save_is_plain(compressing, settings):
    store = create_session({"text": "x" * 1000})
    settings.SECURE_SESSION = {**settings.SECURE_SESSION, "COMPRESS": False}
    store = reopened(store)
    store.save()

    assert sealed_flags(store) == 0
    assert reopened(store).data() == {"text": "x" * 1000}


def test_a_named_session_compresses_on_its_own(settings):
    settings.SECURE_SESSION = {
        **settings.SECURE_SESSION,
        "SESSIONS": {"prefs": {"COMPRESS": True}},
    }
    data = {"text": "x" * 1000}

    assert sealed_flags(create_session(data, alias="prefs")) == COMPRESSED
    assert sealed_flags(create_session(data)) == 0


def test_a_compressed_session_knows_that_it_is_saved(compressing):
    store = reopened(create_session(REPETITIVE))

    assert store.is_saved()
    store["a"] = 1
    assert not store.is_saved()
    store.save()
    assert store.is_saved()


def test_a_compressed_session_keeps_its_expiry(compressing, clock):
    store = SessionStore()
    store.update(REPETITIVE)
    store.set_expiry(0)
    store.save()

    assert sealed_flags(store) == COMPRESSED | ENDS_WITH_BROWSER
    assert reopened(store).get_expire_at_browser_close()


def test_encoded_sessions_are_compressed_too(compressing):
    token = encode_session(REPETITIVE, purpose="ws")

    assert len(token) < 1000
    assert decode_session(token, purpose="ws").data() == REPETITIVE


def in_json(size: int) -> dict[str, str]:
    """Return a session whose body has this many bytes."""
    return {"v": "x" * (size - len('{"v":""}'))}


@pytest.mark.parametrize("purpose", ["session", "ws"])
def test_a_session_of_a_mebibyte_is_saved_and_opens(purpose, compressing):
    token = encode_session(in_json(MAX_BODY), purpose=purpose)

    assert decode_session(token, purpose=purpose).data() == in_json(MAX_BODY)


@pytest.mark.parametrize("purpose", ["session", "ws"])
def test_what_opening_refuses_saving_refuses_too(purpose, compressing):
    with pytest.raises(SessionTooLarge):
        encode_session(in_json(MAX_BODY + 1), purpose=purpose)


def test_a_large_session_is_compressed_in_the_cache(cache, compressing):
    store = create_session(in_json(MAX_BODY))

    assert len(cache.get(f"secure_session.{store._entry_name.hex()}")) < 10_000
    assert reopened(store).data() == in_json(MAX_BODY)


def test_what_opening_refuses_goes_into_no_cache(cache, compressing):
    with pytest.raises(SessionTooLarge, match="cache entry"):
        create_session(in_json(MAX_BODY + 1))


def test_spill_above_counts_what_compression_leaves(cache, compressing):
    compressing.SECURE_SESSION = {**compressing.SECURE_SESSION, "SPILL_ABOVE": None}

    assert sealed_flags(create_session(REPETITIVE)) == COMPRESSED
    assert sealed_flags(create_session({"text": secrets.token_hex(4000)})) == POINTER


def test_a_bomb_in_the_cache_is_a_refused_session(cache):
    now = int(time.time())
    metadata = Metadata(secrets.token_bytes(16), now, now, now + DAY, 0, COMPRESSED)
    entry = get_codec("default", "spill").seal_bytes(metadata, bomb())

    assert SessionStore(pointing_to(entry, cache)).rejection == "undecodable"
