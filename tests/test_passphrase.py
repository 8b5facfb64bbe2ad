from __future__ import annotations

import base64
import json
import pprint
import secrets
import sys
from pathlib import Path

import pytest
from nacl.exceptions import RuntimeError as SodiumError
from nacl.pwhash import argon2id
from nacl.secret import SecretBox

from django_secure_session import Passphrase
from django_secure_session.exceptions import InvalidKey
from django_secure_session.keyring import root_keys
from tests.test_keyring_forms import leaks, texts_of
from tests.test_main import run_python

WHERE = 'SECURE_SESSION["KEY"]'
MODERATE = {"opslimit": 3, "memlimit": 268435456}

COOKIES = json.loads(
    (Path(__file__).parent / "vectors" / "fastify-keys.json").read_text("utf-8")
)["cookies"]

each_cookie = pytest.mark.parametrize("cookie", COOKIES, ids=lambda each: each["name"])

OUT_OF_MEMORY = """
import resource, secrets
from django_secure_session import InvalidKey, Passphrase

passphrase = Passphrase(secrets.token_hex(20), salt=secrets.token_bytes(16))
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + 100 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    passphrase.derive("KEY")
except InvalidKey as error:
    print(error)
"""


class Argon2id:
    """Stands in for the real function, which takes a second and 256 MiB."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, bytes, bytes, dict[str, int]]] = []

    def __call__(self, size: int, secret: bytes, salt: bytes, **limits: int) -> bytes:
        self.calls.append((size, secret, salt, limits))
        return secrets.token_bytes(size)


@pytest.fixture
def argon(monkeypatch: pytest.MonkeyPatch) -> Argon2id:
    argon = Argon2id()
    monkeypatch.setattr(argon2id, "kdf", argon)
    return argon


def fastify_passphrase(cookie) -> Passphrase:
    return Passphrase(cookie["secret"], salt=bytes.fromhex(cookie["salt_hex"]))


@each_cookie
def test_the_key_is_the_one_of_fastify_secure_session(cookie):
    ciphertext, nonce = map(base64.b64decode, cookie["cookie"].split(";"))

    key = fastify_passphrase(cookie).derive(WHERE)

    assert json.loads(SecretBox(key).decrypt(ciphertext, nonce)) == cookie["data"]


@each_cookie
def test_the_sample_passphrases_of_its_documentation_are_refused(cookie):
    with pytest.raises(InvalidKey, match="published sample key"):
        root_keys(fastify_passphrase(cookie), WHERE)


def test_it_is_one_root_key(argon):
    passphrase = Passphrase(secrets.token_hex(20), salt=secrets.token_bytes(16))

    (root,) = root_keys(passphrase, WHERE)

    assert (root.secret, root.label) == (passphrase.derive(WHERE), WHERE)


def test_argon2id_gets_the_moderate_limits(argon):
    secret, salt = secrets.token_hex(20), secrets.token_bytes(16)

    Passphrase(secret, salt=salt).derive(WHERE)

    assert argon.calls == [(32, secret.encode(), salt, MODERATE)]


def test_it_is_derived_once_per_process(argon):
    secret, salt = secrets.token_hex(20), secrets.token_hex(8)

    keys = {Passphrase(secret, salt=salt).derive(f"{WHERE}{n}") for n in range(3)}

    assert len(keys) == len(argon.calls) == 1


def test_text_and_bytes_are_the_same_passphrase(argon):
    secret, salt = secrets.token_hex(20) + "ä€", secrets.token_hex(8)

    key = Passphrase(secret, salt=salt).derive(WHERE)

    assert Passphrase(secret.encode(), salt=salt.encode()).derive(WHERE) == key


def test_another_salt_or_secret_is_another_key(argon):
    secret, salt = secrets.token_hex(20), secrets.token_hex(8)
    passphrases = [
        Passphrase(secret, salt=salt),
        Passphrase(secret + "x", salt=salt),
        Passphrase(secret, salt=salt[::-1].swapcase()[:15] + "x"),
    ]

    assert len({passphrase.derive(WHERE) for passphrase in passphrases}) == 3


@pytest.mark.parametrize("secret", ["x" * 31, b"x" * 31, "ä" * 15])
def test_the_secret_is_measured_in_bytes(secret, argon):
    with pytest.raises(InvalidKey, match="at least 32"):
        Passphrase(secret, salt=secrets.token_bytes(16)).derive(WHERE)

    assert argon.calls == []


@pytest.mark.parametrize("secret", [None, 7, ["x" * 40]])
def test_a_wrong_one_can_be_written_down_but_not_used(secret):
    passphrase = Passphrase(secret, salt=secrets.token_bytes(16))

    with pytest.raises(InvalidKey, match=f"is a {type(secret).__name__}"):
        passphrase.derive(WHERE)


def test_a_failing_derivation_names_the_place_and_shows_nothing(monkeypatch):
    def fail(*args, **kwargs):
        raise SodiumError("Key derivation failed")

    monkeypatch.setattr(argon2id, "kdf", fail)
    secret = secrets.token_hex(20)

    with pytest.raises(InvalidKey, match="256 MiB") as caught:
        root_keys(Passphrase(secret, salt=secrets.token_bytes(16)), WHERE)

    assert WHERE in str(caught.value)
    assert leaks(texts_of(caught.value), secret) == set()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds address space")
def test_a_process_with_little_memory_is_told_so(tmp_path):
    result = run_python("-c", OUT_OF_MEMORY, folder=tmp_path)

    assert result.stderr == ""
    assert "Argon2id needs 256 MiB of memory" in result.stdout


@pytest.mark.parametrize("show", [repr, str, format, ascii, pprint.pformat])
def test_it_never_shows_secret_or_salt(show):
    secret, salt = secrets.token_hex(20), secrets.token_hex(8)

    shown = show(Passphrase(secret, salt=salt))

    assert shown == "Passphrase()"


def test_a_passphrase_of_few_different_letters_is_refused():
    passphrase = Passphrase("abcdefg" * 20, salt=secrets.token_bytes(16))

    with pytest.raises(InvalidKey, match="7 of them different"):
        passphrase.derive('SECURE_SESSION["KEY"]')
