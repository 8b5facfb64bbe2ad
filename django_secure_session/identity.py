"""Who a request is from: values that say it, whatever proved it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who it is. Raise TypeError for what no guard can compare.

    ``id`` and ``role`` are texts that are not empty; ``verified`` tells whether the
    site has made sure of the e-mail address or whatever else it asks for.
    """

    id: str
    role: str
    verified: bool

    def __post_init__(self) -> None:
        _refuse_no_text("Account.id", self.id, "str(user.pk)")
        _refuse_no_text("Account.role", self.role, '"member"')
        if not isinstance(self.verified, bool):
            raise TypeError(
                f"Account.verified is a {type(self.verified).__name__}; it must be "
                "True or False."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Org:
    """The organisation that the account acts for."""

    id: str

    def __post_init__(self) -> None:
        _refuse_no_text("Org.id", self.id, "str(org.pk)")


class Claims(NamedTuple):
    """What a session is sealed with about its account. Times are Unix seconds.

    ``read_at`` is when the provider was asked, ``authenticated_at`` when the account
    last proved itself, 0 where nobody saw that; ``methods`` is how (RFC 8176 has
    names). ``log_in`` names the log-in of Django that this was made from, "" for none.
    ``epoch`` is the account's when the provider was asked, 0 without a registry.
    """

    account: Account
    org: Org | None
    read_at: int
    authenticated_at: int = 0
    methods: tuple[str, ...] = ()
    log_in: str = ""
    epoch: int = 0


class Identity(NamedTuple):
    """What is known about who sent a request.

    *scopes* are what an API key may do, and *key_id* names it.
    """

    account: Account | None = None
    org: Org | None = None
    via: Literal["session", "api_key"] | None = None
    authenticated_at: int = 0
    scopes: frozenset[str] = frozenset()
    key_id: str = ""


NOBODY = Identity()


#: A scope-token (RFC 6749 section 3.3): no space, quote or backslash.
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


def is_scope(value: object) -> bool:
    """Tell whether a value can name a scope, in a key as in a header."""
    return isinstance(value, str) and _SCOPE.fullmatch(value) is not None


def _refuse_no_text(what: str, value: object, example: str) -> None:
    if not isinstance(value, str) or not value:
        given = "empty" if value == "" else f"a {type(value).__name__}"
        raise TypeError(f"{what} is {given}; it must be a text, such as {example}.")
