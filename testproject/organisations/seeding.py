"""What ``manage.py seed`` makes of this app."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser

from testproject.organisations.models import Membership, Organisation, Verification
from testproject.users import ORGANISATIONS, DemoUser


def ensure_organisations() -> None:
    for slug, name in ORGANISATIONS.items():
        Organisation.objects.get_or_create(slug=slug, defaults={"name": name})


def ensure_memberships(user: AbstractBaseUser, demo: DemoUser) -> None:
    """Give a user the roles as described, whatever was changed in the admin."""
    for slug, role in demo.roles.items():
        organisation = Organisation.objects.get(slug=slug)
        Membership.objects.update_or_create(
            user=user, organisation=organisation, defaults={"role": role}
        )
    if demo.verified:
        Verification.objects.get_or_create(user=user)
    else:
        Verification.objects.filter(user=user).delete()
