"""One session as the settings describe it, every value checked."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise

from django_secure_session.codec import Codec
from django_secure_session.conf.cookie import CookieAttributes
from django_secure_session.keyring import Keyring
from django_secure_session.serializers import Serializer

SESSION_PURPOSE = "session"
SPILL_PURPOSE = "spill"
#: Of what SessionBase.encode() returns, which is no session's token.
ENCODE_PURPOSE = "encode"

TOKEN_LIMIT = 65536  # characters of a token that is no cookie
#: Bytes of a session in the cache. Memcached drops what is over 1 MiB, key included.
SPILL_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SessionConfig:
    """The settings of one session. Ages and timeouts are in seconds.

    ``single_capacity`` and ``chunked_capacity`` are the characters of the longest token
    that one cookie holds, and all chunks; ``spill_above`` is in bytes of a cookie's
    name and value. ``account_provider`` is a dotted path. ``acts_on_reads`` tells
    whether a response may have to bring a cookie where nothing was written;
    ``has_own_key`` is False where the key that seals is derived from SECRET_KEY.
    """

    alias: str
    attribute: str
    url_prefixes: tuple[str, ...]
    cookie: CookieAttributes
    single_capacity: int
    chunked_capacity: int
    cookie_age: int
    ends_with_browser: bool
    save_every_request: bool
    acts_on_reads: bool
    audience: str
    idle_timeout: int | None
    absolute_timeout: int | None
    placement: str
    spill_above: int
    cache_alias: str
    compress: bool
    claims_max_age: int | None
    account_provider: str
    api_key_prefix: str
    revocation_cache_alias: str
    revocation_max_staleness: int
    login_url: str | Promise | None
    reauthenticate_url: str | Promise | None
    has_own_key: bool
    keyring: Keyring
    serializer: Serializer

    @property
    def cookie_name(self) -> str:
        """The name of the cookie."""
        return self.cookie.name

    def codec(self, purpose: str) -> Codec:
        """Return the codec of this session's tokens of one purpose.

        It opens what any PLACEMENT may have sealed, so changing that logs nobody out.
        """
        limit = TOKEN_LIMIT
        if purpose == SESSION_PURPOSE:
            limit = self.chunked_capacity
        box = self.keyring.box(purpose, self.alias, self.audience)
        return Codec(box, self.serializer, limit, compress=self.compress)
