"""Choose among several cookies of one name.

Anyone who controls a sibling subdomain can set cookies of our name for the common
domain. Those must neither log a visitor out nor into another's session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from django_secure_session.backends.spill import name_in
from django_secure_session.codec import Codec
from django_secure_session.codec.metadata import POINTER, Metadata
from django_secure_session.exceptions import BadToken, Reason

MAX_CANDIDATES = 64  # that are decrypted, and that are looked at otherwise

#: Cookies refused for these reasons stay in the browser: another host may know the
#: key, a clock recovers, and a slow answer must not delete what a newer log-in has set.
LEFT_ALONE: frozenset[Reason | None] = frozenset({"unknown_key", "future", "revoked"})


class Opened(NamedTuple):
    """A token that was opened."""

    token: str
    metadata: Metadata
    claims: bytes
    body: bytes

    def entry_name(self) -> bytes | None:
        """Return the name of the cache entry that the token points to, if it does.

        Raise BadToken ``undecodable``.
        """
        return name_in(self.body) if self.metadata.flags & POINTER else None


def choose(
    tokens: Iterable[str], codec: Codec, open_token: Callable[[str], Opened]
) -> Opened:
    """Return the one session that these tokens hold, the latest state of it.

    Raise BadToken: ``ambiguous`` for two sessions, or why there is none, a reason to
    leave the cookie alone before any other.
    """
    good: list[Opened] = []
    refusals: list[BadToken] = []
    for token in _likely(tokens, codec):
        try:
            good.append(open_token(token))
        except BadToken as refusal:
            refusals.append(refusal)
    if len({opened.metadata.sid for opened in good}) > 1:
        raise BadToken("ambiguous")
    if good:
        return max(good, key=lambda opened: (opened.metadata.issued, opened.token))
    raise min(refusals, key=lambda r: (r.reason not in LEFT_ALONE, r.reason))


def _likely(tokens: Iterable[str], codec: Codec) -> list[str]:
    """Return the tokens to look at, each once.

    One of an unknown key or version costs no decryption, so however many there are of
    those, they don't displace the real one.
    """
    different = list(dict.fromkeys(tokens))
    known = [token for token in different if codec.knows(token)]
    others = [token for token in different if not codec.knows(token)]
    return known[:MAX_CANDIDATES] + others[:MAX_CANDIDATES]
