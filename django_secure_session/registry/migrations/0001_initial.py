"""The tables of the registry, and when they were made."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import migrations, models
from django.utils import timezone

import django_secure_session.registry.models


def note_installation(apps: Any, schema_editor: Any) -> None:
    """Note when the registry was installed: sessions sealed before it are adopted."""
    adoption = apps.get_model("secure_session_registry", "Adoption")
    using = schema_editor.connection.alias
    adoption.objects.using(using).create(sealed_before=timezone.now())


class Migration(migrations.Migration):
    """Make the tables."""

    initial = True

    dependencies: ClassVar = []

    operations: ClassVar = [
        migrations.CreateModel(
            name="AccountState",
            fields=[
                (
                    "account_id",
                    models.CharField(
                        editable=False,
                        max_length=255,
                        primary_key=True,
                        serialize=False,
                        verbose_name="account",
                    ),
                ),
                ("epoch", models.PositiveBigIntegerField(default=1, editable=False)),
                (
                    "revoked_epoch",
                    models.PositiveBigIntegerField(default=0, editable=False),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Adoption",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("sealed_before", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="SessionRecord",
            fields=[
                (
                    "handle",
                    models.CharField(
                        default=django_secure_session.registry.models.new_handle,
                        editable=False,
                        max_length=20,
                        primary_key=True,
                        serialize=False,
                        verbose_name="handle",
                    ),
                ),
                (
                    "digest",
                    models.CharField(
                        editable=False, max_length=64, verbose_name="SHA-256"
                    ),
                ),
                (
                    "previous_digest",
                    models.CharField(
                        blank=True, default="", editable=False, max_length=64
                    ),
                ),
                (
                    "adopted_digest",
                    models.CharField(
                        blank=True, editable=False, max_length=64, null=True
                    ),
                ),
                (
                    "cycled_at",
                    models.DateTimeField(blank=True, editable=False, null=True),
                ),
                (
                    "account_id",
                    models.CharField(
                        editable=False, max_length=255, verbose_name="account"
                    ),
                ),
                (
                    "alias",
                    models.CharField(
                        editable=False, max_length=63, verbose_name="session"
                    ),
                ),
                ("epoch", models.PositiveBigIntegerField(default=1, editable=False)),
                (
                    "created",
                    models.DateTimeField(editable=False, verbose_name="logged in"),
                ),
                (
                    "expires",
                    models.DateTimeField(editable=False, verbose_name="expires"),
                ),
                (
                    "last_seen",
                    models.DateTimeField(editable=False, verbose_name="last seen"),
                ),
                (
                    "ip",
                    models.CharField(
                        blank=True,
                        editable=False,
                        max_length=45,
                        verbose_name="IP address",
                    ),
                ),
                (
                    "user_agent",
                    models.CharField(
                        blank=True,
                        editable=False,
                        max_length=255,
                        verbose_name="browser",
                    ),
                ),
                (
                    "revoked_at",
                    models.DateTimeField(
                        blank=True, editable=False, null=True, verbose_name="ended"
                    ),
                ),
            ],
            options={
                "verbose_name": "session",
                "verbose_name_plural": "sessions",
                "ordering": ["-last_seen"],
                "indexes": [
                    models.Index(
                        fields=["previous_digest"], name="secure_session_previous"
                    ),
                    models.Index(fields=["account_id"], name="secure_session_account"),
                    models.Index(fields=["expires"], name="secure_session_expires"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=["digest"], name="secure_session_digest"
                    ),
                    models.UniqueConstraint(
                        fields=["adopted_digest"], name="secure_session_adopted"
                    ),
                ],
            },
        ),
        migrations.RunPython(
            note_installation,
            migrations.RunPython.noop,
            hints={"model_name": "adoption"},
        ),
    ]
