from __future__ import annotations

import json

import pytest
from django.contrib.sessions.serializers import JSONSerializer
from hypothesis import given
from hypothesis import strategies as st

from django_secure_session import serializers
from django_secure_session.exceptions import SessionTooDeep
from django_secure_session.serializers import (
    MAX_DEPTH,
    CompactJSON,
    DepthBounded,
    refuse_depth,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


class Plain:
    """A serializer without any limit of its own."""

    def dumps(self, obj):
        return repr(obj).encode()

    def loads(self, data):
        return eval(data)


def nested(depth: int, kind: str):
    value: object = 1
    for level in range(depth - 1):
        as_list = kind == "lists" or (kind == "mixed" and level % 2)
        value = [value] if as_list else {"a": value}
    return {"root": value}


@given(st.dictionaries(st.text(), json_values, max_size=5))
def test_compact_json_writes_the_bytes_of_djangos_serializer(data):
    assert CompactJSON().dumps(data) == JSONSerializer().dumps(data)


@given(st.dictionaries(st.text(), json_values, max_size=5))
def test_compact_json_reads_what_djangos_serializer_reads(data):
    written = JSONSerializer().dumps(data)

    assert repr(CompactJSON().loads(written)) == repr(JSONSerializer().loads(written))


@pytest.mark.parametrize("serializer", [CompactJSON(), DepthBounded(Plain())])
@pytest.mark.parametrize("kind", ["dicts", "lists", "mixed"])
def test_the_greatest_depth_is_written_and_read(serializer, kind):
    data = nested(MAX_DEPTH, kind)

    assert serializer.loads(serializer.dumps(data)) == data


@pytest.mark.parametrize("serializer", [CompactJSON(), DepthBounded(Plain())])
@pytest.mark.parametrize("kind", ["dicts", "lists", "mixed"])
def test_one_level_more_is_neither_written_nor_read(serializer, kind):
    data = nested(MAX_DEPTH + 1, kind)

    with pytest.raises(SessionTooDeep, match=f"deeper than {MAX_DEPTH} levels"):
        serializer.dumps(data)
    with pytest.raises(SessionTooDeep):
        serializer.loads(json.dumps(data).encode())


def test_the_encoder_is_built_once_on_every_supported_python():
    assert type(serializers._encode) is json.encoder.c_make_encoder


def test_a_python_without_the_c_encoder_writes_the_same():
    encode = serializers.build_encoder(None)
    data = {"a": [1, 2.5, None, True], "ü": "\u2028\ud800", 7: {"x": "</script>"}}

    assert "".join(encode(data, 0)).encode() == CompactJSON().dumps(data)


def test_many_shallow_brackets_are_fine():
    data = {"cart": [{"sku": [n]} for n in range(300)], "text": "[{" * 300}

    assert CompactJSON().loads(CompactJSON().dumps(data)) == data


def test_a_depth_that_no_python_writes_is_too_deep():
    with pytest.raises(SessionTooDeep):
        CompactJSON().dumps(nested(200_000, "lists"))


def test_tuples_count_as_lists():
    value: object = 1
    for _ in range(MAX_DEPTH + 1):
        value = (value,)

    with pytest.raises(SessionTooDeep):
        refuse_depth(value)


def test_a_session_that_contains_itself_is_refused():
    data: dict[str, object] = {}
    data["self"] = data

    with pytest.raises(SessionTooDeep):
        CompactJSON().dumps(data)


def test_what_json_cannot_hold_is_a_type_error():
    with pytest.raises(TypeError, match="not JSON serializable"):
        CompactJSON().dumps({"x": object()})


def test_an_integer_of_too_many_digits_is_neither_written_nor_read():
    with pytest.raises(ValueError, match="integer string conversion"):
        CompactJSON().dumps({"n": 10**5000})
    with pytest.raises(ValueError, match="integer string conversion"):
        CompactJSON().loads(b'{"n":' + b"1" * 5000 + b"}")
