"""Turn the session dict into bytes and back, within a depth every Python can read.

The C parser of :mod:`json` stops at a depth that differs between Python versions and,
on 3.11, shrinks with the stack of its caller. What is saved on one host must open on
any other, so both directions stop at :data:`MAX_DEPTH`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from django_secure_session.exceptions import SessionTooDeep

MAX_DEPTH = 100


class Serializer(Protocol):
    """What SESSION_SERIALIZER names a class of."""

    def dumps(self, obj: object, /) -> bytes: ...  # noqa: D102
    def loads(self, data: bytes, /) -> object: ...  # noqa: D102


def refuse_depth(value: object, limit: int = MAX_DEPTH) -> None:
    """Raise SessionTooDeep if dicts and lists nest more than *limit* levels deep."""
    if isinstance(value, Mapping):
        children = list(value.values())
    elif isinstance(value, (list, tuple)):
        children = list(value)
    else:
        return
    if limit == 0:
        raise SessionTooDeep(MAX_DEPTH)
    for child in children:
        refuse_depth(child, limit - 1)


def build_encoder(make: Any) -> Callable[[object, int], Iterable[str]]:
    """Return what makes the pieces of compact JSON, given an object and the level 0.

    ``JSONEncoder.encode`` builds it anew in each call, for a small session half of its
    time. *make* is the C function that does so. It is not documented, so where Python
    has none, or one with other arguments, each call goes the documented way.
    """
    # What contains itself ends as too deep, without a look-out for it in each list.
    encoder = json.JSONEncoder(separators=(",", ":"), check_circular=False)
    escape = json.encoder.encode_basestring_ascii
    try:
        pieces: Callable[[object, int], Iterable[str]] = make(
            None, encoder.default, escape, None, ":", ",", False, False, True
        )
    except TypeError:
        return lambda obj, _level: [encoder.encode(obj)]
    return pieces


_encode = build_encoder(getattr(json.encoder, "c_make_encoder", None))
# Faster than decode(), which looks for white space that no encoder writes here.
_decode = json.JSONDecoder().raw_decode


class CompactJSON:
    """Django's JSONSerializer with encoder and decoder built once: the same bytes.

    Two counts of brackets nearly always show that nothing can nest too deep; only
    above that is the depth measured.
    """

    def dumps(self, obj: object, /) -> bytes:
        """Return ASCII JSON without spaces.

        Raise TypeError or ValueError for what JSON can't hold, SessionTooDeep.
        """
        try:
            text = "".join(_encode(obj, 0))
        except RecursionError:
            raise SessionTooDeep(MAX_DEPTH) from None
        if text.count("[") + text.count("{") > MAX_DEPTH:
            refuse_depth(obj)
        return text.encode("ascii")

    def loads(self, data: bytes, /) -> object:
        """Parse JSON. Raise ValueError or RecursionError."""
        text = data.decode()
        value: object
        value, end = _decode(text)
        if end != len(text):
            raise ValueError("trailing data")
        if text.count("[") + text.count("{") > MAX_DEPTH:
            refuse_depth(value)
        return value


class DepthBounded:
    """Any other serializer, held to the same depth in both directions."""

    def __init__(self, inner: Serializer) -> None:
        self._inner = inner

    def dumps(self, obj: object, /) -> bytes:
        """Return what the serializer makes of *obj*. Raise SessionTooDeep."""
        data = self._inner.dumps(obj)
        refuse_depth(obj)
        return data

    def loads(self, data: bytes, /) -> object:
        """Return what the serializer reads. Raise SessionTooDeep, or what it raises."""
        value = self._inner.loads(data)
        refuse_depth(value)
        return value
