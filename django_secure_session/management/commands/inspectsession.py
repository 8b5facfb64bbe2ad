"""``manage.py inspectsession``: say what a token is and why it is refused."""

from __future__ import annotations

import string
import sys
import time
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_secure_session import conf, cookies
from django_secure_session.backends import spill
from django_secure_session.backends.choice import Opened
from django_secure_session.backends.sealed import sid_text
from django_secure_session.codec import Codec
from django_secure_session.codec.metadata import (
    ENDS_WITH_BROWSER,
    Lifetime,
    Metadata,
    check_times,
)
from django_secure_session.codec.text import read_prefix
from django_secure_session.exceptions import BadToken, Reason, StoreUnavailable

STDIN = "-"

ADVICE: dict[Reason, str] = {
    "malformed": "This is no token: it is cut, quoted, encoded again, too long, or it "
    "comes from another session engine.",
    "unknown_version": "It comes from a newer release, or from another session engine.",
    "unknown_key": "Its key is not configured here, or it belongs to another session, "
    "purpose or AUDIENCE: compare SECURE_SESSION of both hosts, try --session and "
    "--purpose.",
    "tampered": "Its key is ours, but it was changed since it was sealed.",
    "undecodable": "It is authentic, but its content makes no session: it was sealed "
    "by other software with our key, or with another SESSION_SERIALIZER.",
    "expired": "It is too old: see its times above, SESSION_COOKIE_AGE and "
    "ABSOLUTE_TIMEOUT.",
    "idle": "It was not used for IDLE_TIMEOUT: see its times above.",
    "future": "It was issued more than a minute from now: compare the hosts' clocks.",
    "ambiguous": "Another cookie of the name holds another session.",
    "lost": "It points to an entry that the cache dropped, or that log-out deleted: "
    "compare CACHE_ALIAS of both hosts, and see how full the cache is.",
    "stale": "It points to an entry of the cache that something else has overwritten.",
}


class Command(BaseCommand):
    """Print what the seal says, and end with status 1 for a refused token."""

    help = (
        "Explains a session token: version, key, times, size, and why it is refused. "
        "Shows values only with --reveal."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "token",
            nargs="?",
            default=STDIN,
            help="the cookie's value; without it, or with -, read from standard input, "
            "where other users of the machine can't see it",
        )
        parser.add_argument("--session", metavar="ALIAS", default=conf.DEFAULT_ALIAS)
        parser.add_argument("--purpose", default=conf.SESSION_PURPOSE)
        parser.add_argument("--reveal", action="store_true", help="show the values")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the report."""
        try:
            config = conf.get_config(options["session"])
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from None
        # Importing the engine checks the keys, so a wrong one is told of before.
        from django_secure_session.backends.encrypted_cookies import SessionStore

        store = SessionStore(alias=options["session"], purpose=options["purpose"])
        token = _clean(_given(options["token"]), config.cookie_name)
        codec = conf.get_codec(options["session"], options["purpose"])
        self._line("bytes", f"{len(token)} of at most {_limit(config, store.purpose)}")
        try:
            self._prefix(codec, token)
            opened = Opened(token, *codec.unseal(token))
            metadata = opened.metadata
            self._metadata(metadata, store.lifetime())
            self._claims(opened.claims, reveal=options["reveal"])
            body = self._followed(config, opened)
            self._body(codec, body, reveal=options["reveal"])
            check_times(metadata, int(time.time()), store.lifetime())
        except StoreUnavailable as error:
            raise CommandError(str(error)) from None
        except BadToken as refusal:
            raise CommandError(
                f"Refused as {refusal.reason}. {ADVICE[refusal.reason]}"
            ) from None
        self._line("status", "accepted")

    def _line(self, name: str, value: object) -> None:
        self.stdout.write(f"{name:<9}{value}")

    def _prefix(self, codec: Codec, token: str) -> None:
        version, key_id = read_prefix(token)
        self._line("version", version)
        self._line("key id", f"{key_id.hex()}, {codec.box.label(key_id) or 'unknown'}")

    def _metadata(self, metadata: Metadata, lifetime: Lifetime) -> None:
        deadline = metadata.deadline(lifetime)
        ends = " or with the browser" if metadata.flags & ENDS_WITH_BROWSER else ""
        self._line("sid", sid_text(metadata.sid))
        self._line("created", _time(metadata.created))
        self._line("issued", _time(metadata.issued))
        self._line("expires", _time(deadline) + ends)

    def _claims(self, claims: bytes, *, reveal: bool) -> None:
        if claims:
            size = f"{len(claims)} bytes"
            shown = claims.decode(errors="replace") if reveal else size
            self._line("account", shown)

    def _followed(self, config: conf.SessionConfig, opened: Opened) -> bytes:
        """Return the body, from the cache if the token points there."""
        name = opened.entry_name()
        if name is None:
            return opened.body
        self._line("stored", f"in the cache {config.cache_alias!r}")
        found = spill.fetch(config.cache_alias, name)
        content = spill.verified(opened.body, found)
        return config.codec(conf.SPILL_PURPOSE).unseal_bytes(content)[2]

    def _body(self, codec: Codec, body: bytes, *, reveal: bool) -> None:
        data = codec.read_body(body)
        self._line("data", f"{len(body)} bytes, {len(data)} keys")
        for key, value in data.items():
            size = len(codec.dump({key: value}))
            self._line(
                "", f"{key!r} {value!r}" if reveal else f"{key!r} ({size} bytes)"
            )


def _limit(config: conf.SessionConfig, purpose: str) -> int:
    if purpose != conf.SESSION_PURPOSE:
        return conf.TOKEN_LIMIT
    in_chunks = config.placement == "chunked"
    return config.chunked_capacity if in_chunks else config.single_capacity


def _given(token: str) -> str:
    if token != STDIN:
        return token
    try:
        return sys.stdin.read()
    except UnicodeDecodeError:
        return ""  # no token is like that: malformed


def _clean(given: str, cookie_name: str) -> str:
    """Accept what people copy: white space, quotes, ``name=value;``, a whole header."""
    around = string.whitespace + "\"';"
    text = given.strip(around).removeprefix("Cookie:")
    found = cookies.tokens(text, cookie_name)
    return (found[0] if found else text).strip(around)


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
