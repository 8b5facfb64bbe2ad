"""The site's members, in memory: what ACCOUNT_PROVIDER asks in the tests of guards."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from django_secure_session import Account, AccountProvider
from django_secure_session.accounts import Org


@dataclass
class Member:
    """What a site knows of an account; ``role`` is the one outside organisations."""

    role: str = "guest"
    verified: bool = True
    roles: dict[str, str] = field(default_factory=lambda: {"acme": "owner"})


class Members(AccountProvider):
    """Answers from a dict, and notes what it was asked."""

    members: ClassVar[dict[str, Member]] = {}
    calls: ClassVar[list[str]] = []

    @classmethod
    def reset(cls) -> None:
        """Forget everybody."""
        cls.members.clear()
        cls.calls.clear()

    def account_for_user(self, user: Any, org_id: str | None) -> Account | None:
        """Return a Django user's account; its id is the user's name."""
        self.calls.append("account_for_user")
        return self._account(user.username, org_id)

    def get_account(self, account_id: str, org_id: str | None) -> Account | None:
        """Return the account of a member."""
        self.calls.append("get_account")
        return self._account(account_id, org_id)

    def get_org(self, account_id: str, org_id: str | None) -> Org | None:
        """Return an organisation of a member's, the first without an id."""
        self.calls.append("get_org")
        member = self.members.get(account_id)
        roles = member.roles if member else {}
        wanted = next(iter(roles), None) if org_id is None else org_id
        return Org(id=wanted) if wanted in roles else None

    def _account(self, account_id: str, org_id: str | None) -> Account | None:
        member = self.members.get(account_id)
        if member is None:
            return None
        role = member.roles[org_id] if org_id else member.role
        return Account(id=account_id, role=role, verified=member.verified)
