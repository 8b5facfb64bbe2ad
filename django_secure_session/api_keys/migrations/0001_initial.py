"""The table of API keys."""

from __future__ import annotations

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Make the table of API keys."""

    initial = True
    dependencies: ClassVar = []
    operations: ClassVar = [
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                (
                    "id",
                    models.CharField(
                        editable=False,
                        max_length=12,
                        primary_key=True,
                        serialize=False,
                        verbose_name="id",
                    ),
                ),
                (
                    "digest",
                    models.CharField(
                        editable=False,
                        max_length=64,
                        unique=True,
                        verbose_name="SHA-256",
                    ),
                ),
                (
                    "env",
                    models.CharField(
                        default="live", max_length=16, verbose_name="environment"
                    ),
                ),
                ("name", models.CharField(max_length=100, verbose_name="name")),
                (
                    "account_id",
                    models.CharField(
                        db_index=True, max_length=255, verbose_name="account"
                    ),
                ),
                (
                    "org_id",
                    models.CharField(
                        blank=True,
                        default="",
                        max_length=255,
                        verbose_name="organisation",
                    ),
                ),
                (
                    "scopes",
                    models.JSONField(blank=True, default=list, verbose_name="scopes"),
                ),
                (
                    "created",
                    models.DateTimeField(editable=False, verbose_name="created"),
                ),
                (
                    "expires",
                    models.DateTimeField(blank=True, null=True, verbose_name="expires"),
                ),
                (
                    "revoked_at",
                    models.DateTimeField(
                        blank=True,
                        editable=False,
                        null=True,
                        verbose_name="revoked at",
                    ),
                ),
                (
                    "last_used_at",
                    models.DateTimeField(
                        blank=True,
                        editable=False,
                        null=True,
                        verbose_name="last used at",
                    ),
                ),
                (
                    "successor",
                    models.OneToOneField(
                        blank=True,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="predecessor",
                        to="secure_session_api_keys.apikey",
                        verbose_name="successor",
                    ),
                ),
            ],
            options={
                "verbose_name": "API key",
                "verbose_name_plural": "API keys",
                "ordering": ["-created"],
            },
        ),
    ]
