"""The wire format, frozen: a change that breaks these logs every visitor out."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from django_secure_session.codec import Codec
from django_secure_session.codec.metadata import Metadata
from django_secure_session.codec.text import read_prefix
from django_secure_session.keyring import (
    Keyring,
    RootKey,
    root_from_secret_key,
)
from django_secure_session.serializers import CompactJSON
from tests.sealing import encode

VECTORS = json.loads(
    (Path(__file__).parent / "vectors" / "token-v1.json").read_text("utf-8")
)


def root_key(vector) -> RootKey:
    if "secret_key" in vector:
        return root_from_secret_key(vector["secret_key"], "SECRET_KEY")
    return RootKey(bytes.fromhex(vector["root_key"]), "KEY")


def codec_of(vector) -> Codec:
    box = Keyring([root_key(vector)]).box(*vector["context"])
    return Codec(box, CompactJSON(), 65536)


def metadata_of(vector) -> Metadata:
    sid, *times = vector["metadata"]
    return Metadata(bytes.fromhex(sid), *times)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_token_opens(vector):
    codec = codec_of(vector)

    metadata, claims, body = codec.unseal(vector["token"])

    assert read_prefix(vector["token"]) == (1, bytes.fromhex(vector["key_id"]))
    assert metadata == metadata_of(vector)
    assert claims.decode() == vector["claims"]
    assert codec.read_body(body) == vector["data"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_same_token_is_made_with_the_same_nonce(vector, monkeypatch):
    nonce = bytes.fromhex(vector["nonce"])
    monkeypatch.setattr(os, "urandom", lambda size: nonce[:size])

    token = encode(
        codec_of(vector), metadata_of(vector), vector["data"], vector["claims"].encode()
    )

    assert token == vector["token"]
