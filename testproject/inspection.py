"""What the pages show of a session. A real site shows none of this to anyone."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.contrib.auth import get_user
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest

from django_secure_session import BadToken, conf, cookies
from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.backends.exchange import REFRESHES
from django_secure_session.chunks import COOKIE_LIMIT, TOTAL_LIMIT
from django_secure_session.codec.metadata import POINTER

REFUSALS = {
    "malformed": "It is no token of this engine: cut off, or from another site.",
    "unknown_version": "It is in a format that this release does not know.",
    "unknown_key": "It was sealed with a key that this site does not have.",
    "tampered": "It was changed after the server had sealed it.",
    "undecodable": "The seal is fine, but what is in it makes no session.",
    "expired": "It is too old.",
    "idle": "It was not used for too long.",
    "future": "It was sealed in the future: some clock is wrong.",
    "ambiguous": "Two different sessions came under this name; neither is believed.",
    "lost": "It points to an entry that the cache no longer has.",
    "revoked": "The session has ended: by log-out, or from another device.",
    "stale": "It points to an entry of the cache that has another content.",
}


class Cookie(NamedTuple):
    """A cookie as it came."""

    name: str
    value: str

    @property
    def size(self) -> int:
        """Return the bytes that browsers count."""
        return len(self.name) + len(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """A session of a request, and the cookies in which it came."""

    config: conf.SessionConfig
    session: SessionStore
    user: AbstractBaseUser | AnonymousUser
    cookies: list[Cookie]
    #: What the cookies hold together, "" without cookies.
    token: str

    @property
    def size(self) -> int:
        return sum(cookie.size for cookie in self.cookies)

    @property
    def limit(self) -> int:
        return COOKIE_LIMIT if len(self.cookies) < 2 else TOTAL_LIMIT

    @property
    def in_cache(self) -> bool:
        """Tell whether the token only points to the session."""
        codec = conf.get_codec(self.config.alias, conf.SESSION_PURPOSE)
        try:
            metadata, _, _ = codec.unseal(self.token)
        except BadToken:
            return False
        return bool(metadata.flags & POINTER)

    @property
    def sent_again_at(self) -> datetime | None:
        """Return from when on a request that uses the session gets a fresh cookie."""
        idle, issued = self.config.idle_timeout, self.session.issued_at
        if idle is None or issued is None:
            return None
        return issued + timedelta(seconds=idle / REFRESHES)

    @property
    def account(self) -> Sealed | None:
        return sealed_account(self.session)

    @property
    def refusal(self) -> str:
        return REFUSALS.get(self.session.rejection or "", "")


def inspect(request: HttpRequest) -> dict[str, Inspected]:
    """Return every session of a request by its name."""
    header = cookies.received(request) or ""
    return {
        config.alias: _inspect(getattr(request, config.attribute), config, header)
        for config in conf.get_configs().values()
    }


def _inspect(
    session: SessionStore, config: conf.SessionConfig, header: str
) -> Inspected:
    tokens = cookies.tokens(header, config.cookie_name)
    return Inspected(
        config=config,
        session=session,
        user=user_of(session),
        cookies=[
            Cookie(name, value)
            for name in sorted(cookies.names_of(header, config.cookie_name))
            for value in cookies.values(header, name)
        ],
        token=tokens[-1] if tokens else "",
    )


def user_of(session: SessionBase) -> AbstractBaseUser | AnonymousUser:
    """Return who is logged in to any session, as Django does for request.session."""
    request = HttpRequest()
    request.session = session
    return get_user(request)


# What is sealed about an account, beside the session's data


class Sealed(NamedTuple):
    """What a session is sealed with about its account; ages are in seconds."""

    claims: dict[str, Any]
    max_age: int | None

    @property
    def age(self) -> int:
        """Return how long ago the database was asked."""
        return int(time.time()) - self.claims["iat"]

    @property
    def log_in_age(self) -> int | None:
        """Return how long ago the account proved itself, None where nobody saw it."""
        at = self.claims.get("auth_time")
        return at and int(time.time()) - at


def sealed_account(session: SessionStore) -> Sealed | None:
    """Return what a session says about its account, None for nobody."""
    if not session.claims:
        return None
    max_age = conf.get_config(session.alias).claims_max_age
    return Sealed(json.loads(session.claims), max_age)


def make_older(session: SessionStore, claim: str, seconds: int) -> None:
    """Pretend that one of the times in the claims was earlier."""
    claims = json.loads(session.claims)
    claims[claim] = claims.get(claim, seconds) - seconds
    session.replace_claims(json.dumps(claims).encode())
