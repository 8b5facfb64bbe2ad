"""What the guards get to know: SECURE_SESSION["ACCOUNT_PROVIDER"] names this class."""

from __future__ import annotations

from django.contrib.auth.models import User

from django_secure_session import Account, AccountProvider, Org
from testproject.organisations.models import Membership, Verification


class Members(AccountProvider):
    """A user's role is that in the organisation, and "user" without one."""

    def account_for_user(self, user: User, org_id: str | None) -> Account:
        of_user = Membership.objects.filter(user=user, organisation__slug=org_id)
        role = of_user.values_list("role", flat=True).first()
        verified = Verification.objects.filter(user=user).exists()
        return Account(id=str(user.pk), role=role or "user", verified=verified)

    def get_account(self, account_id: str, org_id: str | None) -> Account | None:
        if not is_user_id(account_id):
            return None
        user = User.objects.filter(pk=account_id, is_active=True).first()
        return self.account_for_user(user, org_id) if user else None

    def get_org(self, account_id: str, org_id: str | None) -> Org | None:
        """Return the organisation of a member; the oldest membership's at log-in."""
        if not is_user_id(account_id):
            return None
        memberships = Membership.objects.filter(user=account_id)
        if org_id is not None:
            memberships = memberships.filter(organisation__slug=org_id)
        slug = memberships.values_list("organisation__slug", flat=True).first()
        return Org(id=slug) if slug else None


def is_user_id(account_id: str) -> bool:
    """Tell whether a text can be a user's id: whoever makes a key types one."""
    return account_id.isdecimal() and len(account_id) < 19
