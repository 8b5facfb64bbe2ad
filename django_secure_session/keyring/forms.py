"""The forms a site may write a key in: bytes, base64, hex, a file or a passphrase."""

from __future__ import annotations

import binascii
import re
from pathlib import Path

from django_secure_session.exceptions import InvalidKey
from django_secure_session.keyring.passphrase import Passphrase
from django_secure_session.keyring.roots import (
    KEY_BYTES,
    WAY_OUT,
    RootKey,
    refuse_guessable,
)

KEY_FILE_BYTES = 65536  # a key file is small; a wrong path may be a disk image


def root_keys(value: object, where: str) -> list[RootKey]:
    """Return the root keys written as *value* in the settings at *where*.

    One, or for a file one per line. Raise InvalidKey.
    """
    match value:
        case Passphrase():
            roots = [RootKey(value.derive(where), where)]
        case bytes():
            roots = [_from_raw(value, where)]
        case str():
            roots = [RootKey(_decode_text(value, where), where)]
        case Path():
            return keys_in_file(read_key_file(value, where), where)
        case _:
            raise InvalidKey(
                f"{where} is a {type(value).__name__}; a key is 32 bytes, a base64 or "
                f"hex text, a pathlib.Path or a Passphrase. {WAY_OUT}"
            )
    return _not_guessable(roots)


def _not_guessable(roots: list[RootKey]) -> list[RootKey]:
    for root in roots:
        refuse_guessable(root)
    return roots


def _from_raw(value: bytes, where: str) -> RootKey:
    if len(value) in {43, 44, 64}:
        raise InvalidKey(
            f"{where} is {len(value)} bytes, which look like the text form of a key. "
            "Pass a text key as str, not as bytes."
        )
    return RootKey(value, where)


_HEX = re.compile(r"[0-9a-fA-F]{64}")
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{43}|[A-Za-z0-9_-]{43})=?")
_BASE64_ALPHABETS = re.compile(r"[A-Za-z0-9+/_-]+=*")
#: 32 bytes leave two zero bits in the 43rd base64 character (RFC 4648 section 3.5).
_LAST_CHARACTERS = frozenset("AEIMQUYcgkosw048")


def _decode_text(text: str, where: str) -> bytes:
    """Decode base64, base64url or hex. White space around the text is ignored."""
    text = text.strip()
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    if not _BASE64.fullmatch(text):
        raise InvalidKey(f"{where} {_text_problem(text)}")
    if text[42] not in _LAST_CHARACTERS:
        raise InvalidKey(
            f"{where} is not canonical base64: its last character can't end 32 bytes, "
            f"so it is mistyped or cut. Copy it again. {WAY_OUT}"
        )
    standard = text[:43].replace("-", "+").replace("_", "/") + "="
    return binascii.a2b_base64(standard, strict_mode=True)


def _text_problem(text: str) -> str:
    """Say what is wrong with a text that has no form of a key, without showing it."""
    if not text:
        return f"is empty; is the environment variable missing? {WAY_OUT}"
    if text[0] in "\"'" or text[-1] in "\"'":
        return "has quotes around it. Remove them: the quotes became part of the value."
    if "=" in text.rstrip("="):
        return 'holds a "=" in the middle. Give the value alone, without NAME=.'
    if not _BASE64_ALPHABETS.fullmatch(text):
        return (
            "has characters that neither base64 nor hex has. A file is given as "
            f"pathlib.Path, a passphrase as Passphrase(...). {WAY_OUT}"
        )
    if {"+", "/"} & set(text) and {"-", "_"} & set(text):
        return "mixes the alphabets of base64 and base64url. Copy it again."
    return (
        f"has {len(text)} characters; 32 bytes are 43 or 44 in base64 and 64 in hex. "
        f"{WAY_OUT}"
    )


def keys_in_file(content: bytes, where: str) -> list[RootKey]:
    """Return the keys in a file's content: 32 raw bytes, or text with one per line.

    Raise InvalidKey.
    """
    if len(content) == KEY_BYTES:
        return _not_guessable([RootKey(content, where)])
    try:
        lines = _key_lines(content)
    except UnicodeDecodeError:
        raise InvalidKey(
            f"The file in {where} has {len(content)} bytes that are not text; a raw "
            f"key file has exactly {KEY_BYTES}. {WAY_OUT}"
        ) from None
    if not lines:
        raise InvalidKey(f"The file in {where} is empty or has no key. {WAY_OUT}")
    labels = [f"{where} line {n}" if len(lines) > 1 else where for n, _ in lines]
    return _not_guessable(
        [
            RootKey(_decode_text(line, label), label)
            for label, (_, line) in zip(labels, lines, strict=True)
        ]
    )


def _key_lines(content: bytes) -> list[tuple[int, str]]:
    """Return the numbers and texts of the lines that hold a key.

    A comment may be in any encoding. Raise UnicodeDecodeError.
    """
    lines = enumerate(content.splitlines(), 1)
    return [(n, line.decode("ascii")) for n, line in lines if holds_key(line)]


def holds_key(line: bytes) -> bool:
    """Say whether a line of a key file is neither blank nor a comment."""
    return line.strip()[:1] not in {b"", b"#"}


def _without_key(path: Path) -> str:
    """Return a path for a message, unless someone made a path of the key itself."""
    text = str(path)
    if len(text) >= KEY_BYTES and _BASE64_ALPHABETS.fullmatch(text):
        return "a path that looks like a key"
    return repr(text)


def read_key_file(path: Path, where: str) -> bytes:
    """Return the content of a key file. Raise InvalidKey."""
    shown = _without_key(path)
    try:
        if not path.is_file():
            raise InvalidKey(
                f"{where} names {shown}, which is not a file. {WAY_OUT} --output FILE"
            )
        with path.open("rb") as file:
            content = file.read(KEY_FILE_BYTES + 1)
    except OSError as error:
        raise InvalidKey(
            f"{where} names {shown}, which can't be read: {error.strerror}. The "
            "process needs the right to read it."
        ) from None
    if len(content) > KEY_FILE_BYTES:
        raise InvalidKey(
            f"The file in {where} is larger than {KEY_FILE_BYTES} bytes; a key file "
            "holds one key per line. Is the path right?"
        )
    return content
