from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.core.management.base import BaseCommand
from django.urls import reverse

from testproject.invoices.seeding import ensure_invoices
from testproject.organisations.seeding import ensure_memberships, ensure_organisations
from testproject.shop.models import Product
from testproject.thief.bob import ensure_bob
from testproject.users import DEMO_PASSWORD, DEMO_USERS, DemoUser

SITE = "http://127.0.0.1:8000"

PRODUCTS = [
    ("letter-paper", "Letter paper", "Fifty sheets, cream, 100 g.", "7.50"),
    ("envelopes", "Envelopes", "Twenty-five, lined, so that nobody reads in.", "5.20"),
    ("sealing-wax", "Sealing wax", "Two sticks, dark red. Breaks if opened.", "6.80"),
    ("brass-stamp", "Brass stamp", "With one letter of your choice.", "14.00"),
    ("fountain-pen", "Fountain pen", "Steel nib, medium, blue barrel.", "32.00"),
    ("ink", "Blue-black ink", "30 ml. Darkens over the years.", "8.90"),
]


class Command(BaseCommand):
    """Fill the database; a second run changes nothing."""

    help = (
        "Makes the demo site's products, organisations, invoices and users, and says "
        "how to log in."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        for slug, name, description, price in PRODUCTS:
            values = {"name": name, "description": description, "price": price}
            Product.objects.get_or_create(slug=slug, defaults=values)
        ensure_organisations()
        ensure_invoices()
        for user in DEMO_USERS:
            ensure_memberships(_ensure_user(user), user)
        ensure_bob()
        self._tell()

    def _tell(self) -> None:
        lines = [f"The demo site is at {SITE}{reverse('pages:home')}", "", "Log in as"]
        lines += [
            f"  {user.username:<7} password: {DEMO_PASSWORD}   {user.description}"
            for user in DEMO_USERS
        ]
        self.stdout.write("\n".join(["", *lines, ""]))


def _ensure_user(demo: DemoUser) -> AbstractUser:
    """Make the user as described, whatever was changed in the admin."""
    users = get_user_model()
    user = users.objects.filter(username=demo.username).first()
    user = user or users(username=demo.username)
    user.is_active = True
    user.is_staff = user.is_superuser = demo.staff
    # A new hash of the same password would log out everyone who is logged in.
    if not user.check_password(DEMO_PASSWORD):
        user.set_password(DEMO_PASSWORD)
    user.save()
    return user
