from __future__ import annotations

import hashlib
import pprint
import secrets

import pytest
from django.views.debug import ExceptionReporter

from django_secure_session.exceptions import BadToken
from django_secure_session.keyring import (
    KEY_ID_BYTES,
    NONCE_BYTES,
    Box,
    Keyring,
    RootKey,
    boxes,
    generate_key,
)
from tests.test_keyring_forms import leaks

CONTEXT = ("session", "default", "")


def make_roots(count: int) -> list[RootKey]:
    return [RootKey(generate_key(), f"key {n}") for n in range(count)]


def refusal(box: Box, sealed: tuple[bytes, bytes, bytes]) -> str:
    with pytest.raises(BadToken) as caught:
        box.open(*sealed)
    return caught.value.reason


@pytest.fixture
def openings(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Record the ciphertexts that libsodium is asked to open."""
    asked: list[bytes] = []
    original = boxes.crypto_secretbox_open

    def open_(ciphertext, nonce, key):
        asked.append(ciphertext)
        return original(ciphertext, nonce, key)

    monkeypatch.setattr(boxes, "crypto_secretbox_open", open_)
    return asked


def documented_subkey(root: bytes, *context: str) -> bytes:
    """Compute the formula of the token format, independently of the package."""
    data = b""
    for part in context:
        size = len(part.encode())
        data += bytes([size // 256, size % 256]) + part.encode()
    return hashlib.blake2b(
        data, digest_size=32, key=root, person=b"dss.subkey.v1"
    ).digest()


def documented_key_id(subkey: bytes) -> bytes:
    return hashlib.blake2b(
        b"", digest_size=7, key=subkey, person=b"dss.key-id"
    ).digest()


# Sealing and opening


def test_what_was_sealed_opens():
    box = Keyring(make_roots(1)).box(*CONTEXT)

    assert box.open(*box.seal(b"content")) == b"content"


def test_sealing_gives_key_id_fresh_nonce_and_authenticated_ciphertext():
    box = Keyring(make_roots(1)).box(*CONTEXT)
    key_id, nonce, ciphertext = box.seal(b"content")

    assert (len(key_id), len(nonce)) == (KEY_ID_BYTES, NONCE_BYTES) == (7, 24)
    assert len(ciphertext) == 16 + len(b"content")
    assert box.seal(b"content")[1] != nonce


@pytest.mark.parametrize("part", [1, 2])
def test_a_changed_bit_is_tampered(part):
    box = Keyring(make_roots(1)).box(*CONTEXT)
    sealed = list(box.seal(b"content"))
    sealed[part] = sealed[part][:-1] + bytes([sealed[part][-1] ^ 1])

    assert refusal(box, tuple(sealed)) == "tampered"


@pytest.mark.parametrize("size", [0, 1, 15, 16])
def test_a_ciphertext_without_content_is_tampered(size):
    box = Keyring(make_roots(1)).box(*CONTEXT)

    sealed = (box.current_id, bytes(NONCE_BYTES), bytes(size))

    assert refusal(box, sealed) == "tampered"


def test_the_first_key_seals_and_each_key_opens_what_it_sealed():
    roots = make_roots(4)
    box = Keyring(roots).box(*CONTEXT)

    for root in roots:
        sealed = Keyring([root]).box(*CONTEXT).seal(b"content")
        assert box.open(*sealed) == b"content"
        assert box.label(sealed[0]) == root.label
    assert box.seal(b"")[0] == box.current_id
    assert box.label(box.current_id) == roots[0].label


def test_a_box_knows_the_ids_of_its_keys_and_no_other():
    roots = make_roots(3)
    box = Keyring(roots).box(*CONTEXT)
    expected = {documented_key_id(documented_subkey(r.secret, *CONTEXT)) for r in roots}

    assert set(box.ids) == expected
    assert box.label(bytes(KEY_ID_BYTES)) is None


# Contexts

CONTEXTS = [
    ("session", "default", ""),
    ("encode", "default", ""),
    ("session", "prefs", ""),
    ("session", "default", "shop"),
    ("default", "session", ""),
    ("session", "", "default"),
    ("", "session", "default"),
    ("sessiondefault", "", ""),
    ("session", "defaul", "t"),
    ("session\0", "default", ""),
    ("session", "\0default", ""),
    ("Session", "default", ""),
    ("ab", "c", ""),
    ("a", "bc", ""),
    ("a", "b", "c"),
    ("", "", "abc"),
    ("", "", ""),
    ("\x00\x01", "", ""),
    ("", "\x00\x01", ""),
    ("é", "", ""),
    ("e\u0301", "", ""),
]


@pytest.mark.parametrize("context", CONTEXTS, ids=ascii)
def test_a_token_of_one_context_never_opens_in_another(context, openings):
    keyring = Keyring(make_roots(1))
    sealed = keyring.box(*context).seal(b"content")

    others = [other for other in CONTEXTS if other != context]
    reasons = {refusal(keyring.box(*other), sealed) for other in others}
    assert (reasons, openings) == ({"unknown_key"}, [])


def test_a_token_of_one_key_never_opens_with_another():
    one, other = (Keyring([root]).box(*CONTEXT) for root in make_roots(2))

    assert refusal(other, one.seal(b"content")) == "unknown_key"


def test_a_forged_key_id_of_another_context_is_tampered():
    keyring = Keyring(make_roots(1))
    _, nonce, ciphertext = keyring.box("encode", "default", "").seal(b"content")
    box = keyring.box(*CONTEXT)

    assert refusal(box, (box.current_id, nonce, ciphertext)) == "tampered"


@pytest.mark.parametrize("context", CONTEXTS, ids=ascii)
def test_subkey_and_key_id_are_computed_as_documented(context):
    (root,) = make_roots(1)
    expected = documented_subkey(root.secret, *context)

    subkey = boxes.derive_subkey(root, *context)

    assert subkey.secret == expected
    assert subkey.id == documented_key_id(expected)
    assert subkey.label == root.label


def test_a_known_root_key_has_the_known_subkey_and_key_id():
    subkey = boxes.derive_subkey(RootKey(bytes(range(32)), "KEY"), *CONTEXT)

    assert subkey.id.hex() == "806c110b101c94"
    digest = hashlib.sha256(subkey.secret).hexdigest()
    assert digest == "2bf4f0e5b93dd4c4a9792743e7a4f8c22236e27e53522bd72a2ba0959d60084c"


def test_parts_of_a_context_may_have_65535_bytes_and_no_more():
    (root,) = make_roots(1)
    longest = "x" * 65535

    assert boxes.derive_subkey(root, longest, longest, longest)
    with pytest.raises(OverflowError):
        boxes.derive_subkey(root, longest + "x", "default", "")


# Cost


@pytest.mark.parametrize("count", [1, 2, 4, 16, 64])
@pytest.mark.parametrize("position", [0, -1], ids=["newest", "oldest"])
def test_opening_asks_libsodium_once_however_many_keys_there_are(
    count, position, openings
):
    roots = make_roots(count)
    sealed = Keyring([roots[position]]).box(*CONTEXT).seal(b"content")

    Keyring(roots).box(*CONTEXT).open(*sealed)

    assert openings == [sealed[2]]


@pytest.mark.parametrize("count", [1, 4, 64])
def test_an_unknown_key_id_costs_no_decryption(count, openings):
    box = Keyring(make_roots(count)).box(*CONTEXT)
    _, nonce, ciphertext = box.seal(b"content")

    for unknown in (bytes(KEY_ID_BYTES), b"", secrets.token_bytes(KEY_ID_BYTES)):
        assert refusal(box, (unknown, nonce, ciphertext)) == "unknown_key"
    assert openings == []


def test_the_keys_of_a_context_are_derived_once(monkeypatch):
    keyring = Keyring(make_roots(2))
    box = keyring.box(*CONTEXT)
    monkeypatch.setattr(boxes, "derive_subkey", None)

    assert keyring.box(*CONTEXT) is box


def test_contexts_made_up_at_run_time_do_not_grow_the_memory():
    keyring = Keyring(make_roots(1))

    for n in range(3 * boxes.CACHED_CONTEXTS):
        keyring.box(f"purpose {n}", "default", "")

    assert keyring.box.cache_info().currsize == boxes.CACHED_CONTEXTS


def test_a_context_dropped_from_memory_still_opens_its_tokens():
    keyring = Keyring(make_roots(1))
    sealed = keyring.box(*CONTEXT).seal(b"content")

    for n in range(boxes.CACHED_CONTEXTS + 1):
        keyring.box(f"purpose {n}", "default", "")

    assert keyring.box(*CONTEXT).open(*sealed) == b"content"


# Nothing shows a secret


def broken_sodium(*arguments):
    raise ValueError("broken")


@pytest.mark.parametrize("show", [repr, str, format, ascii, pprint.pformat])
@pytest.mark.parametrize("kind", ["subkey", "box", "keyring"])
def test_no_object_shows_its_secret(show, kind):
    (root,) = make_roots(1)
    keyring = Keyring([root])
    subkey = boxes.derive_subkey(root, *CONTEXT)
    objects = {"subkey": subkey, "box": keyring.box(*CONTEXT), "keyring": keyring}

    assert leaks([show(objects[kind])], root.secret, subkey.secret) == set()


@pytest.mark.parametrize("verb", ["seal", "open"])
def test_a_failure_of_libsodium_shows_no_key(verb, monkeypatch):
    (root,) = make_roots(1)
    box = Keyring([root]).box(*CONTEXT)
    arguments = [b"content"] if verb == "seal" else box.seal(b"content")
    monkeypatch.setattr(boxes, "crypto_secretbox_easy", broken_sodium)
    monkeypatch.setattr(boxes, "crypto_secretbox_open", broken_sodium)

    with pytest.raises(RuntimeError, match=f"libsodium could not {verb}: bro") as error:
        getattr(box, verb)(*arguments)

    reporter = ExceptionReporter(None, error.type, error.value, error.tb)
    shown = [str(frame["vars"]) for frame in reporter.get_traceback_frames()]
    secret = boxes.derive_subkey(root, *CONTEXT).secret
    # The frame of this test comes first and may show what it likes.
    assert len(shown) == 1
    assert leaks([str(error.value), *shown[1:]], secret) == set()
