from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models


class Role(models.TextChoices):
    """What a member may do; guards name these."""

    MEMBER = "member"
    ADMIN = "admin"
    OWNER = "owner"


#: Who may see what concerns the others.
LEADERS = [Role.ADMIN.value, Role.OWNER.value]


class Organisation(models.Model):
    """What accounts act for. To guards its slug stands for it."""

    name = models.CharField(max_length=80)
    slug = models.SlugField(unique=True)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """That a user belongs to an organisation; one may belong to several."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships"
    )
    organisation = models.ForeignKey(
        Organisation, models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=10, choices=Role, default=Role.MEMBER)

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "organisation"], name="member_once")
        ]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.organisation}"


class Verification(models.Model):
    """That the site has made sure of a user's e-mail address."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE)
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.user} is verified"
