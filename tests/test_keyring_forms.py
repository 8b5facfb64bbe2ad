from __future__ import annotations

import base64
import hashlib
import pprint
import re
import secrets
import string
import traceback
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_secure_session.exceptions import InvalidKey
from django_secure_session.keyring import (
    DERIVED,
    RootKey,
    generate_key,
    refuse_duplicates,
    root_from_secret_key,
    root_keys,
)

WHERE = 'SECURE_SESSION["KEY"]'

# Characters of key material that a text may never show in a row. In the repr of bytes
# six of them, such as "\\x41\\x", may be hardly more than one byte.
LEAK = 6
LEAK_IN_REPR = 24

# Hexadecimal too, and so by chance like a piece of a key now and then.
ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+>")


def pieces(text: str, size: int = LEAK) -> set[str]:
    return {text[i : i + size] for i in range(len(text) - size + 1)}


def pieces_of(secret: str | bytes) -> set[str]:
    """Return the least that may not show, in all forms that a secret may show in."""
    found = pieces(secret) if isinstance(secret, str) else set()
    raw = secret.encode("utf-8", "replace") if isinstance(secret, str) else secret
    standard, url = base64.b64encode(raw), base64.urlsafe_b64encode(raw)
    for form in (raw.hex(), raw.hex().upper(), standard.decode(), url.decode()):
        found |= pieces(form)
    return found | pieces(raw.decode("latin-1")) | pieces(repr(raw), LEAK_IN_REPR)


def leaks(texts: Iterable[str], *material: str | bytes) -> set[str]:
    """Return the pieces of key material that stand in the texts."""
    shown = ADDRESS.sub(">", "\n".join(texts))
    return {piece for each in material for piece in pieces_of(each) if piece in shown}


def texts_of(error: BaseException) -> list[str]:
    """Return all that a log would show of an error."""
    return [str(error), repr(error), *traceback.format_exception(error)]


def key_with(characters: str) -> bytes:
    """Return a random key with both these characters in its base64 text."""
    while True:
        key = generate_key()
        if set(characters) <= set(base64.b64encode(key).decode()):
            return key


def secrets_of(value: object) -> list[bytes]:
    return [root.secret for root in root_keys(value, WHERE)]


def key_or_refusal(value: object) -> bytes | str:
    """Return the one key that the value is, or the text that refuses it."""
    try:
        (secret,) = secrets_of(value)
    except InvalidKey as error:
        return str(error)
    return secret


# The forms of a key

TEXT_FORMS = {
    "base64": lambda key: base64.b64encode(key).decode(),
    "base64 without padding": lambda key: base64.b64encode(key).decode().rstrip("="),
    "base64url": lambda key: base64.urlsafe_b64encode(key).decode(),
    "base64url without padding": lambda key: (
        base64.urlsafe_b64encode(key).decode().rstrip("=")
    ),
    "hex": bytes.hex,
    "upper-case hex": lambda key: key.hex().upper(),
    "mixed-case hex": lambda key: key[:16].hex() + key[16:].hex().upper(),
}

each_text_form = pytest.mark.parametrize(
    "spell", TEXT_FORMS.values(), ids=TEXT_FORMS.keys()
)


def test_32_bytes_are_a_key():
    key = generate_key()

    assert secrets_of(key) == [key]


@each_text_form
def test_each_text_form_gives_the_same_key(spell):
    key = key_with("+/")

    assert secrets_of(spell(key)) == [key]


@each_text_form
@pytest.mark.parametrize(
    ("before", "after"),
    [("", "\n"), ("  ", "  "), ("\t", "\r\n"), ("\n\n", ""), ("\u00a0", "\u3000")],
)
def test_white_space_around_a_text_is_ignored(spell, before, after):
    key = key_with("+/")

    assert secrets_of(before + spell(key) + after) == [key]


@each_text_form
@pytest.mark.parametrize("after", ["", "\n", "\r\n", "\n\n \n"])
def test_a_file_with_one_line_is_that_key(spell, after, tmp_path):
    key = key_with("+/")
    path = tmp_path / "session.key"
    path.write_bytes((spell(key) + after).encode())

    (root,) = root_keys(path, WHERE)

    assert (root.secret, root.label) == (key, WHERE)


def test_a_file_of_32_bytes_is_a_raw_key(tmp_path):
    key = generate_key()
    path = tmp_path / "session.key"
    path.write_bytes(key)

    assert secrets_of(path) == [key]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_file_with_several_lines_is_several_keys_in_that_order(newline, tmp_path):
    keys = [generate_key() for _ in range(3)]
    lines = ["", keys[0].hex(), "   ", TEXT_FORMS["base64"](keys[1]), "", keys[2].hex()]
    path = tmp_path / "session.keys"
    path.write_bytes(newline.join(lines).encode())

    roots = root_keys(path, WHERE)

    assert [root.secret for root in roots] == keys
    assert [root.label for root in roots] == [f"{WHERE} line {n}" for n in (2, 4, 6)]


@pytest.mark.parametrize(
    "comment",
    [b"# staged 2027-01-15T08:00:00Z", b"#", b"\t # indented", "# Schlüssel".encode()],
)
def test_comments_and_blank_lines_in_a_file_are_skipped(comment, tmp_path):
    keys = [generate_key() for _ in range(2)]
    lines = [comment, keys[0].hex().encode(), b"", comment, keys[1].hex().encode()]
    path = tmp_path / "session.keys"
    path.write_bytes(b"\n".join([*lines, comment]))

    roots = root_keys(path, WHERE)

    assert [root.secret for root in roots] == keys
    assert [root.label for root in roots] == [f"{WHERE} line {n}" for n in (2, 5)]


def test_a_key_in_a_comment_is_no_key(tmp_path):
    path = tmp_path / "session.keys"
    path.write_text(f"# {generate_key().hex()}\n#{generate_key().hex()}\n")

    with pytest.raises(InvalidKey, match="is empty or has no key"):
        root_keys(path, WHERE)


def test_a_comment_has_a_line_of_its_own(tmp_path):
    key = generate_key()
    path = tmp_path / "session.keys"
    path.write_text(f"{key.hex()}  # since May\n")

    with pytest.raises(InvalidKey, match="has characters that neither") as caught:
        root_keys(path, WHERE)

    assert leaks(texts_of(caught.value), key) == set()


def test_a_raw_key_may_begin_like_a_comment(tmp_path):
    key = b"#" + generate_key()[:31]
    path = tmp_path / "session.key"
    path.write_bytes(key)

    assert secrets_of(path) == [key]


def test_a_guessable_key_in_a_file_names_its_line(tmp_path):
    path = tmp_path / "session.keys"
    path.write_text(f"# old\n{generate_key().hex()}\n{bytes(32).hex()}\n")

    with pytest.raises(InvalidKey, match='KEY"] line 3 repeats itself'):
        root_keys(path, WHERE)


def test_a_problem_in_a_file_names_the_line(tmp_path):
    path = tmp_path / "session.keys"
    path.write_text(f"{generate_key().hex()}\n\n{generate_key().hex()[:-1]}\n")

    with pytest.raises(InvalidKey) as caught:
        root_keys(path, WHERE)

    assert str(caught.value).startswith(f"{WHERE} line 3 has 63 characters;")


def test_a_file_with_a_byte_order_mark_is_refused(tmp_path):
    path = tmp_path / "session.key"
    path.write_text(generate_key().hex(), "utf-8-sig")

    with pytest.raises(InvalidKey, match="not text"):
        root_keys(path, WHERE)


def test_the_derived_key_is_blake2b_of_the_secret_key():
    secret_key = secrets.token_urlsafe(40)
    expected = hashlib.blake2b(
        secret_key.encode(), digest_size=32, person=b"dss.secret-key"
    ).digest()

    for spelling in (secret_key, secret_key.encode()):
        assert root_from_secret_key(spelling, "SECRET_KEY").secret == expected


def test_generated_keys_are_32_bytes_and_never_the_same():
    keys = {generate_key() for _ in range(100)}

    assert len(keys) == 100
    assert {len(key) for key in keys} == {32}


# What is refused as a key; the whole list stands in test_conf.py


@given(
    st.text()
    | st.text(string.ascii_letters + string.digits + "+/-_=", min_size=40, max_size=70)
    | st.text(string.hexdigits, min_size=60, max_size=66)
)
def test_any_text_is_a_key_in_a_known_spelling_or_is_refused(text):
    result = key_or_refusal(text)

    if isinstance(result, str):
        assert WHERE in result
    else:
        known = {spell(result) for spell in TEXT_FORMS.values()}
        assert text.strip() in known or text.strip().lower() == result.hex()


@given(st.binary(max_size=80) | st.binary(min_size=31, max_size=33))
def test_any_bytes_are_a_key_as_they_are_only_if_they_are_32(value):
    result = key_or_refusal(value)

    if isinstance(result, str):
        assert WHERE in result
    else:
        assert result == value
        assert len(value) == 32


@pytest.mark.parametrize("byte", [0, 1, 0x80, 0xFF])
def test_the_same_byte_32_times_is_no_key(byte):
    with pytest.raises(InvalidKey, match="repeats itself"):
        root_keys(bytes([byte]) * 32, WHERE)


@pytest.mark.parametrize("length", [30, 31, 32])
def test_a_typed_password_is_no_key_even_with_a_line_end(length):
    typed = secrets.token_urlsafe(32)[:length].ljust(32, "\n").encode()

    with pytest.raises(InvalidKey, match="password"):
        root_keys(typed, WHERE)


def test_a_file_with_a_typed_password_of_31_characters_is_no_key(tmp_path):
    path = tmp_path / "session.key"
    path.write_bytes(secrets.token_urlsafe(32)[:31].encode() + b"\n")

    with pytest.raises(InvalidKey):
        root_keys(path, WHERE)


def test_one_byte_that_nobody_types_makes_a_key():
    key = secrets.token_urlsafe(32).encode()[:31] + b"\x80"

    assert secrets_of(key) == [key]


@each_text_form
def test_the_published_sample_key_is_refused_in_each_spelling(spell):
    with pytest.raises(InvalidKey, match="published sample key"):
        root_keys(spell(bytes(range(32))), WHERE)


@pytest.mark.parametrize("length", [0, 1, 31, 33])
def test_a_root_key_of_any_other_length_cannot_be_made(length):
    with pytest.raises(InvalidKey, match=f"KEY has {length} bytes"):
        RootKey(secrets.token_bytes(length), "KEY")


def test_different_keys_are_no_duplicates():
    refuse_duplicates(RootKey(generate_key(), str(n)) for n in range(10))


def test_a_duplicate_is_named_with_its_twin():
    key = generate_key()
    roots = [RootKey(key, "A"), RootKey(generate_key(), "B"), RootKey(key, "C")]

    with pytest.raises(InvalidKey, match=r"^C is the same key as A"):
        refuse_duplicates(roots)


# Nothing shows a secret


@pytest.mark.parametrize("show", [repr, str, format, ascii, pprint.pformat])
def test_a_root_key_never_shows_its_secret(show):
    key = generate_key()

    shown = show(RootKey(key, WHERE))

    assert WHERE in shown
    assert leaks([shown], key) == set()


def test_keys_are_told_apart_by_a_digest():
    key = generate_key()

    assert RootKey(key, "A").digest == RootKey(key, "B").digest
    assert RootKey(key, "A").digest != RootKey(generate_key(), "A").digest
    assert leaks([RootKey(key, "A").digest], key) == set()


def test_derived_is_shown_by_its_name():
    assert repr(DERIVED) == "DERIVED"


@pytest.mark.parametrize("spell", [bytes.hex, repr, TEXT_FORMS["base64url"]])
def test_a_leak_would_be_noticed(spell):
    key = generate_key()

    assert leaks([f"the key is {spell(key)[:30]}..."], key)
