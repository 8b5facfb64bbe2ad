"""What a guard wants, as values that are checked when a module is imported."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from django_secure_session.exceptions import Refusal
from django_secure_session.identity import Identity, is_scope

Scheme = Literal["Cookie", "Bearer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPolicy:
    """What ``authenticated`` wants of the session's account.

    One of the *roles*, a *verified* account, one that acts for an *org*, and a log-in
    under *fresh* seconds old; with nothing set, any account.
    """

    roles: tuple[str, ...] = ()
    verified: bool = False
    org: bool = False
    fresh: int | None = None

    scheme = "Cookie"

    def refusal(self, identity: Identity, now: float) -> Refusal | None:
        """Return why this identity does not pass, or None if it does."""
        account, org = identity.account, identity.org
        if account is None or identity.via != "session":
            return "not_authenticated"
        if self.roles and account.role not in self.roles:
            return "wrong_role"
        if self.verified and not account.verified:
            return "not_verified"
        if self.org and org is None:
            return "no_org"
        if self.fresh is not None and now - identity.authenticated_at >= self.fresh:
            return "not_fresh"
        return None

    def __str__(self) -> str:
        wanted = [f"roles={list(self.roles)}"] if self.roles else []
        wanted += [
            f"{name}=True" for name in ("verified", "org") if getattr(self, name)
        ]
        if self.fresh is not None:
            wanted.append(f"fresh={timedelta(seconds=self.fresh)}")
        return f"authenticated({', '.join(wanted)})" if wanted else "authenticated"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPolicy:
    """What ``authorized`` wants of an API key: all of the *scopes*."""

    scopes: tuple[str, ...] = ()

    scheme = "Bearer"

    def refusal(self, identity: Identity, now: float) -> Refusal | None:
        """Return why this identity does not pass, or None if it does."""
        if identity.account is None or identity.via != "api_key":
            return "not_authenticated"
        if not identity.scopes.issuperset(self.scopes):
            return "insufficient_scope"
        return None

    def __str__(self) -> str:
        return (
            f"authorized(scopes={list(self.scopes)})" if self.scopes else "authorized"
        )


Policy = SessionPolicy | KeyPolicy

#: The refusal to tell of where several policies refuse: the one with the nearest way
#: out for whoever is logged in.
_NEAREST: tuple[Refusal, ...] = (
    *("not_fresh", "no_org", "not_verified"),
    *("wrong_role", "insufficient_scope", "not_authenticated"),
)


def nearest_refusal(
    policies: Collection[Policy], identity: Identity, now: float
) -> tuple[Policy, Refusal] | None:
    """Return None if one of the policies passes, else which refused, and why."""
    refused: list[tuple[Policy, Refusal]] = []
    for policy in policies:
        reason = policy.refusal(identity, now)
        if reason is None:
            return None
        refused.append((policy, reason))
    return min(refused, key=lambda one: _NEAREST.index(one[1]))


def session_policy(options: Mapping[str, Any]) -> SessionPolicy:
    """Return the policy that options describe. Raise TypeError for wrong ones."""
    _refuse_unknown("authenticated", options, SESSION_FORM)
    return SessionPolicy(
        roles=_texts("roles", options.get("roles"), SESSION_FORM),
        verified=_flag("verified", options.get("verified", False)),
        org=_flag("org", options.get("org", False)),
        fresh=_seconds(options.get("fresh")),
    )


def key_policy(options: Mapping[str, Any]) -> KeyPolicy:
    """Return the policy that options describe. Raise TypeError for wrong ones."""
    _refuse_unknown("authorized", options, KEY_FORM)
    scopes = _texts("scopes", options.get("scopes"), KEY_FORM)
    for scope in scopes:
        if not is_scope(scope):
            raise TypeError(
                f"{scope!r} is no scope; that is a text without spaces, quotes and "
                f"backslashes, in ASCII. Write {KEY_FORM}."
            )
    return KeyPolicy(scopes=tuple(dict.fromkeys(scopes)))


SESSION_FORM = (
    'authenticated(roles=["admin"], verified=True, org=True, '
    "fresh=timedelta(minutes=10))"
)
KEY_FORM = 'authorized(scopes=["invoices:read"])'

_OPTIONS = {
    "authenticated": ("roles", "verified", "org", "fresh"),
    "authorized": ("scopes",),
}


def _refuse_unknown(guard: str, options: Mapping[str, Any], form: str) -> None:
    for name in options:
        if name not in _OPTIONS[guard]:
            others = [each for each in _OPTIONS if name in _OPTIONS[each]]
            whose = f"; that is for {others[0]}" if others else ""
            raise TypeError(f"{guard} has no option {name!r}{whose}. Write {form}.")


def _texts(name: str, value: Any, form: str) -> tuple[str, ...]:
    if value is None:
        return ()
    is_list = isinstance(value, Collection) and not isinstance(value, (str, bytes))
    if not is_list or not value or not all(isinstance(e, str) and e for e in value):
        raise TypeError(f"{name} is {value!r}; it is a list of texts. Write {form}.")
    # A set has another order in each process, and lists of guards shall not.
    return tuple(sorted(value) if isinstance(value, Set) else value)


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(
            f"{name} is {value!r}; it is True or False. Write {SESSION_FORM}."
        )
    return value


def _seconds(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, timedelta) or value < timedelta(seconds=1):
        raise TypeError(
            f"fresh is {value!r}; it is a timedelta of a second or more. Write "
            f"{SESSION_FORM}."
        )
    return int(value.total_seconds())
