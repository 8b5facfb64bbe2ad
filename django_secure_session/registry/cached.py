"""What Django's cache has of sessions and accounts, so that requests make no query.

An entry says what the database did at a moment, and is believed for
REVOCATION_MAX_STALENESS from then. Readers only ``add()``: whoever has read the
database before a session ended finds the place taken by whoever ended it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

from django_secure_session import conf
from django_secure_session.registry.models import SessionRecord
from django_secure_session.registry.shared_cache import SharedCache

#: In the place of what a session's entry says: it has ended.
ENDED = "ended"
#: In the place of what any entry says: ask the database.
ASK = "ask"

ENDED_FOR = 300  # seconds that a replayed cookie costs no query
MAX_SKEW = 2  # seconds that the clocks of hosts may be apart

shared = SharedCache()

_ROW: list[type] = [float, int, int, str, str]
_STATE: list[type] = [float, int, int, str]


Entry = TypeVar("Entry", bound=tuple[Any, ...])


class Row(NamedTuple):
    """What an entry says of a session. *read_at* and *expires* are Unix seconds.

    *mark* tells whose it is, should a cache mix its answers up.
    """

    read_at: float
    epoch: int
    expires: int
    handle: str
    mark: str


class State(NamedTuple):
    """What an entry says of an account."""

    read_at: float
    epoch: int
    revoked_epoch: int
    mark: str


def look(digest: str, account_id: str) -> tuple[Row | str | None, State | None]:
    """Return what is known of a session and its account, in one round trip.

    ENDED for a session that has ended, None for what the database has to be asked.
    """
    account = _hashed(account_id)
    session_key, account_key = _session_key(digest), _account_key(account)
    found = shared.get_many([session_key, account_key])
    said = found.get(session_key)
    if said == ENDED:
        return ENDED, None
    oldest = time.time() - conf.get_config().revocation_max_staleness
    row = _read(Row, _ROW, said, _mark(digest, account), oldest)
    state = _read(State, _STATE, found.get(account_key), account, oldest)
    return row, state


def add(row: SessionRecord, read_at: float) -> None:
    """Keep what the database said of a row then, where nobody has said otherwise."""
    account = _hashed(row.account_id)
    expires, mark = int(row.expires.timestamp()), _mark(row.digest, account)
    # Plain tuples: a cache can serialise those however it does that.
    entry = Row(read_at, row.epoch, expires, row.handle, mark)
    shared.add(_session_key(row.digest), tuple(entry), _max_age())
    state = State(read_at, row.state_epoch, row.state_revoked_epoch, account)
    shared.add(_account_key(account), tuple(state), _max_age())


def end(digests: Iterable[str]) -> None:
    """Say that sessions have ended, whatever was known of them."""
    _say({_session_key(digest): ENDED for digest in digests}, ENDED_FOR)


def doubt(digests: Iterable[str] = (), account_id: str | None = None) -> None:
    """Let the database be asked about sessions, and an account."""
    keys = [_session_key(digest) for digest in digests]
    if account_id is not None:
        keys.append(_account_key(_hashed(account_id)))
    _say(dict.fromkeys(keys, ASK), 0)


def _say(said: dict[str, str], seconds: int) -> None:
    # For longer than what anybody has read before can be believed.
    shared.say(said, max(seconds, _max_age() + MAX_SKEW))


def _read(
    kind: type[Entry], types: list[type], said: object, mark: str, oldest: float
) -> Entry | None:
    """Return what an entry says, None for one that does not count, whatever it is."""
    if not isinstance(said, (list, tuple)) or list(map(type, said)) != types:
        return None
    is_young = oldest < said[0] < oldest + _max_age() + MAX_SKEW
    return kind(*said) if is_young and said[-1] == mark else None


def _max_age() -> int:
    return conf.get_config().revocation_max_staleness


def _mark(digest: str, account: str) -> str:
    return digest[:16] + account[:16]


def _hashed(account_id: str) -> str:
    """Return an account's name in keys: any text may be an id, few may be a key."""
    return hashlib.sha256(account_id.encode(errors="surrogatepass")).hexdigest()


def _session_key(digest: str) -> str:
    return f"secure_session.sid.{digest}"


def _account_key(account: str) -> str:
    return f"secure_session.account.{account}"
