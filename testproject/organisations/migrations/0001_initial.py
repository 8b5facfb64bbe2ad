from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import migrations, models

ID = models.BigAutoField(
    auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
)
ROLES = [("member", "Member"), ("admin", "Admin"), ("owner", "Owner")]


class Migration(migrations.Migration):
    initial = True
    dependencies: ClassVar = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations: ClassVar = [
        migrations.CreateModel(
            name="Organisation",
            fields=[
                ("id", ID),
                ("name", models.CharField(max_length=80)),
                ("slug", models.SlugField(unique=True)),
            ],
            options={"ordering": ["name"]},
        ),
        migrations.CreateModel(
            name="Verification",
            fields=[
                ("id", ID),
                ("at", models.DateTimeField(auto_now_add=True)),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=models.CASCADE, to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Membership",
            fields=[
                ("id", ID),
                (
                    "role",
                    models.CharField(choices=ROLES, default="member", max_length=10),
                ),
                (
                    "organisation",
                    models.ForeignKey(
                        on_delete=models.CASCADE,
                        related_name="memberships",
                        to="organisations.organisation",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=models.CASCADE,
                        related_name="memberships",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=["user", "organisation"], name="member_once"
                    )
                ],
            },
        ),
    ]
