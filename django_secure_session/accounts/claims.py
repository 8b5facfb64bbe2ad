"""Claims as the bytes that a session is sealed with, and what they hold on to.

They are a JSON object with the names of OpenID Connect where that has one: ``sub``,
``role``, ``verified``, ``org``, ``iat``, ``auth_time``, ``amr``, ``log_in``, ``epoch``.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import time
from secrets import compare_digest
from typing import NamedTuple

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.codec.metadata import MAX_CLOCK_SKEW
from django_secure_session.identity import Account, Claims, Identity, Org

_encode = json.JSONEncoder(separators=(",", ":")).encode
# Faster than decode(), which looks for white space that no encoder writes here.
_decode = json.JSONDecoder().raw_decode


def dump(claims: Claims) -> bytes:
    """Return the bytes to seal; what is empty or false is left out."""
    account, org, read_at, authenticated_at, methods, log_in, epoch = claims
    content = {
        "sub": account.id,
        "role": account.role,
        "verified": account.verified,
        "org": org.id if org else None,
        "iat": read_at,
        "auth_time": authenticated_at,
        "amr": list(methods),
        "log_in": log_in,
        "epoch": epoch,
    }
    return _encode({name: value for name, value in content.items() if value}).encode()


# What a request looks at twice is read once.
@functools.lru_cache(64)
def parse(raw: bytes) -> Claims | None:
    """Return the claims in sealed bytes, None for bytes that hold none.

    Only a holder of the key can have sealed them, but that may be other software.
    """
    if not raw:
        return None
    try:
        text = raw.decode()
        content, end = _decode(text)
        if end != len(text):
            return None
        get = content.get
        org = get("org")
        return Claims(
            Account(
                id=content["sub"], role=content["role"], verified=get("verified", False)
            ),
            Org(id=org) if org is not None else None,
            _number(content["iat"]),
            _number(get("auth_time", 0)),
            tuple(map(_text, get("amr", ()))),
            _text(get("log_in", "")),
            _number(get("epoch", 0)),
        )
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return None


def _number(value: object) -> int:
    if isinstance(value, int) and 0 <= value < 2**64:  # no more is ever counted
        return value
    raise ValueError("no number")


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise ValueError("no text")


def new_claims(
    account: Account | None,
    org: Org | None,
    log_in: str | None,
    old: Claims | None,
    epoch: int | None,
) -> Claims | None:
    """Return claims as of now; what an account has proved before stays proved.

    *epoch* is the account's from before the provider was asked: what changed meanwhile
    makes the claims old at once.
    """
    if account is None or log_in is None:
        return None
    now, epoch = int(time.time()), epoch or 0
    if old is None or old.account.id != account.id:
        return Claims(account, org, now, log_in=log_in, epoch=epoch)
    # The session may have been told of its epoch by a cache that is late.
    epoch = max(epoch, old.epoch)
    return old._replace(
        account=account, org=org, read_at=now, log_in=log_in, epoch=epoch
    )


def are_of_another(raw: bytes, account: Account) -> bool:
    """Tell whether sealed claims are about another account than this one."""
    found = parse(raw)
    return bool(raw) and (found is None or found.account.id != account.id)


class Seen(NamedTuple):
    """What of a session decides who it is from."""

    claims: bytes
    user_id: object
    backend: object
    hash: object

    def __repr__(self) -> str:
        return "<Seen>"  # the hash is nothing for an error page

    def log_in(self) -> str | None:
        """Return the name of the log-in of Django in the session, None for none.

        Django writes three texts. Whatever else is there came from elsewhere, and
        Django would fail to look it up.
        """
        _, user_id, backend, session_hash = self
        if not (_is_name(user_id) and _is_name(backend) and _is_name(session_hash)):
            return None
        parts = f"{user_id}\n{backend}\n{session_hash}".encode()
        digest = hashlib.blake2b(parts, digest_size=16).digest()
        return base64.urlsafe_b64encode(digest)[:22].decode()

    def bears(self, found: Claims) -> bool:
        """Tell whether claims are about the log-in that the session holds.

        Those of a log-in without Django hold on to nothing else.
        """
        if not found.log_in:
            return True
        own = self.log_in() or ""
        return found.log_in.isascii() and compare_digest(found.log_in, own)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value != "" and value.isprintable()


def look_at(session: SessionStore) -> Seen:
    """Return what of a loaded session decides who it is from."""
    claims, data = session.claims_and_data()
    get = data.get
    return Seen(
        claims, get(SESSION_KEY), get(BACKEND_SESSION_KEY), get(HASH_SESSION_KEY)
    )


def are_current(claims: Claims, now: float, max_age: int | None) -> bool:
    """Tell whether claims are young enough to be believed unasked."""
    age = now - claims.read_at
    return age >= -MAX_CLOCK_SKEW and (max_age is None or max(age, 0) < max_age)


def identity(claims: Claims) -> Identity:
    """Return what the claims of a session say."""
    return Identity(claims.account, claims.org, "session", claims.authenticated_at)
