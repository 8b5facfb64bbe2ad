"""Round trips and tampering with whatever hypothesis thinks of."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from django_secure_session import SessionTooDeep, SessionTooLarge
from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.codec import Codec
from django_secure_session.codec.metadata import U32_MAX, Metadata
from django_secure_session.exceptions import BadToken
from django_secure_session.keyring import Keyring, RootKey, generate_key
from django_secure_session.serializers import CompactJSON
from tests.sealing import decode, encode

CODEC = Codec(
    Keyring([RootKey(generate_key(), "KEY")]).box("session", "default", ""),
    CompactJSON(),
    65536,
)
META = Metadata(bytes(16), 1, 2, U32_MAX)
TOKEN = encode(CODEC, META, {"user": 7, "cart": ["a", "b"]})

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.just("[{" * 60),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
sessions = st.dictionaries(st.text(), json_values, max_size=5)
u32 = st.integers(0, U32_MAX)


def opened(token: str):
    return decode(CODEC, token, now=3, age=U32_MAX)


@given(sessions)
def test_whatever_is_saved_comes_back(data):
    store = SessionStore()
    store.update(data)
    try:
        store.save()
    except (SessionTooLarge, SessionTooDeep):
        assume(False)

    assert dict(SessionStore(store.session_key).items()) == data


@given(
    st.binary(min_size=16, max_size=16),
    u32,
    u32,
    u32,
    u32,
    st.sampled_from([0, 1, 8, 9]),
)
def test_all_metadata_come_back(sid, one, other, expires, age, flags):
    created, issued = sorted((one, other))
    metadata = Metadata(sid, created, issued, expires, age, flags)

    opened, _, _ = CODEC.unseal(encode(CODEC, metadata, {}))

    assert opened == metadata


@given(st.text())
@example("\x00")
@example("AQ")
def test_no_text_ever_raises_anything_but_bad_token(text):
    with pytest.raises(BadToken):
        opened(text)


@given(st.text(max_size=300))
def test_no_text_after_a_good_beginning_ever_opens(text):
    assume(TOKEN[:12] + text != TOKEN)

    with pytest.raises(BadToken):
        opened(TOKEN[:12] + text)
