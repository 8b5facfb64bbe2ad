"""One token in several cookies, where a single one would exceed what browsers store.

The first cookie says how many there are; each other begins with some characters of the
token's nonce, so that pieces of two tokens are never put together::

    sessionid   = 2.<first piece>
    sessionid.1 = <8 characters of the nonce>.<second piece>

Nothing here is authenticated: that is the affair of the codec, for the whole token.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

COOKIE_LIMIT = 4096  # bytes of name + value that every browser stores, RFC 6265 6.1
TOTAL_LIMIT = 7600  # of all chunks; many servers cut Cookie headers at 8 kB
MAX_CHUNKS = 2  # as many as TOTAL_LIMIT needs

MAX_ALIKE = 8  # different first pieces with one tag; an honest browser has one
_TAG = slice(12, 20)  # 48 random bits, different in each token
_FIRST = re.compile(rf"([2-{MAX_CHUNKS}])\.([A-Za-z0-9_-]{{{_TAG.stop},}})")
_COUNT_SIZE = 2
_TAG_SIZE = 9


def single_capacity(name: str) -> int:
    """Return the characters of the longest token that fits into one cookie."""
    return COOKIE_LIMIT - len(name)


def chunked_capacity(name: str) -> int:
    """Return the characters of the longest token that :func:`split` takes."""
    further = (MAX_CHUNKS - 1) * (len(_chunk_name(name, 1)) + _TAG_SIZE)
    return TOTAL_LIMIT - len(name) - _COUNT_SIZE - further


def split(name: str, token: str) -> dict[str, str]:
    """Return the cookies for a token, one if it fits, by their names."""
    room = single_capacity(name)
    if len(token) <= room:
        return {name: token}
    first, rest = token[: room - _COUNT_SIZE], token[room - _COUNT_SIZE :]
    cookies: dict[str, str] = {}
    while rest:
        chunk_name = _chunk_name(name, len(cookies) + 1)
        room = single_capacity(chunk_name) - _TAG_SIZE
        cookies[chunk_name] = f"{token[_TAG]}.{rest[:room]}"
        rest = rest[room:]
    return {name: f"{len(cookies) + 1}.{first}", **cookies}


def join(
    name: str, values: list[str], values_of: Callable[[str], list[str]]
) -> list[str]:
    """Return the tokens of cookies that came under a name.

    *values_of* tells what came under another name. A value whose pieces are not all
    there, each just once, is returned as it is, which no codec takes for a token.
    """
    # Looked up once, whatever the number of values: anyone can send thousands.
    chunks = [_by_tag(values_of(_chunk_name(name, i))) for i in range(1, MAX_CHUNKS)]
    firsts = {value: _FIRST.fullmatch(value) for value in dict.fromkeys(values)}
    alike = Counter(match[2][_TAG] for match in firsts.values() if match)
    return [
        _join(match, chunks) if match and alike[match[2][_TAG]] <= MAX_ALIKE else value
        for value, match in ((value, firsts[value]) for value in values)
    ]


def chunk_names(name: str) -> list[str]:
    """Return the names of all cookies that a session may be in."""
    return [name, *(_chunk_name(name, i) for i in range(1, MAX_CHUNKS))]


def _join(match: re.Match[str], chunks: list[dict[str, set[str]]]) -> str:
    count, pieces = int(match[1]), [match[2]]
    for by_tag in chunks[: count - 1]:
        found = by_tag.get(match[2][_TAG], ())
        if len(found) != 1:
            return match[0]
        pieces += found
    return "".join(pieces)


def _by_tag(values: list[str]) -> dict[str, set[str]]:
    """Return the different pieces that came for the token with each tag."""
    pieces: dict[str, set[str]] = {}
    for value in values:
        tag, dot, piece = value.partition(".")
        if dot and len(piece) <= COOKIE_LIMIT:
            pieces.setdefault(tag, set()).add(piece)
    return pieces


def _chunk_name(name: str, i: int) -> str:
    return f"{name}.{i}"
