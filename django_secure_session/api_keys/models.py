"""The table of API keys. A copy of it lets nobody in: it has digests, no keys."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar, Literal

from asgiref.sync import sync_to_async
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import models, router, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_secure_session import conf
from django_secure_session.api_keys import tokens
from django_secure_session.api_keys.managers import (
    NAME_LENGTH,
    OWNER_LENGTH,
    USE_INTERVAL,
    ApiKeyManager,
    ApiKeyQuerySet,
)
from django_secure_session.api_keys.managers import (
    CreatedKey as CreatedKey,
)
from django_secure_session.identity import is_scope

ZERO = timedelta(0)
MAX_OVERLAP = timedelta(days=365)

if not apps.is_installed(conf.API_KEYS):
    # Django would take it for a model of the app around, which has no such table.
    raise ImproperlyConfigured(
        f'The model of API keys needs its app: add "{conf.API_KEYS}" to INSTALLED_APPS.'
    )


class ApiKey(models.Model):
    """What is known of a key; it acts for one account, and one organisation or none.

    ``account_id`` and ``org_id`` are what ACCOUNT_PROVIDER understands, so there need
    not be a user model.
    """

    id = models.CharField(
        _("id"), max_length=tokens.ID_LENGTH, primary_key=True, editable=False
    )
    digest = models.CharField(_("SHA-256"), max_length=64, unique=True, editable=False)
    env = models.CharField(_("environment"), max_length=16, default="live")
    name = models.CharField(_("name"), max_length=NAME_LENGTH)
    account_id = models.CharField(_("account"), max_length=OWNER_LENGTH, db_index=True)
    org_id = models.CharField(
        _("organisation"), max_length=OWNER_LENGTH, blank=True, default=""
    )
    scopes = models.JSONField(_("scopes"), default=list, blank=True)
    created = models.DateTimeField(_("created"), editable=False)
    expires = models.DateTimeField(_("expires"), null=True, blank=True)
    revoked_at = models.DateTimeField(
        _("revoked at"), null=True, blank=True, editable=False
    )
    successor = models.OneToOneField(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="predecessor",
        verbose_name=_("successor"),
    )
    #: To the minute, and only if the key spoke for somebody.
    last_used_at = models.DateTimeField(
        _("last used at"), null=True, blank=True, editable=False
    )

    objects: ClassVar[ApiKeyManager] = ApiKeyManager()

    class Meta:
        """The newest first."""

        ordering: ClassVar = ["-created"]
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")

    def __str__(self) -> str:
        return f"{self.name} ({self.pk})"

    @property
    def is_usable(self) -> bool:
        """Whether the key is neither revoked nor expired."""
        return self.end_reason(timezone.now()) is None

    def end_reason(self, now: datetime) -> Literal["revoked", "expired"] | None:
        """Tell why the key is good for nothing at a time, None if it is good."""
        if self.revoked_at is not None:
            return "revoked"
        is_over = self.expires is not None and self.expires <= now
        return "expired" if is_over else None

    @property
    def scope_set(self) -> frozenset[str]:
        """What the key may do; nothing that is no scope, whatever wrote the row."""
        listed = self.scopes if isinstance(self.scopes, list) else []
        return frozenset(filter(is_scope, listed))

    def is_use_to_note(self) -> bool:
        """Tell whether the last note of a use is a minute old."""
        noted = self.last_used_at
        return noted is None or timezone.now() - noted >= USE_INTERVAL

    # Ending

    def revoke(self) -> None:
        """End the key for good, at once."""
        mine = self._siblings()
        mine.revoke()
        self.refresh_from_db(using=mine.db, fields=["revoked_at"])

    revoke.alters_data = True  # type: ignore[attr-defined] # no template calls it

    async def arevoke(self) -> None:
        """See :meth:`revoke`."""
        mine = self._siblings()
        await mine.arevoke()
        await self.arefresh_from_db(using=mine.db, fields=["revoked_at"])

    arevoke.alters_data = True  # type: ignore[attr-defined]

    def rotate(self, overlap: timedelta = timedelta(days=7)) -> CreatedKey:
        """Make a successor with the same owner, organisation, scopes and lifetime.

        This one ends after *overlap*, in which its users change over, or sooner if it
        would have. Raise ValueError if it has ended, or has a successor, or for an
        overlap of more than a year.
        """
        _refuse_wrong_overlap(overlap)
        mine = self._siblings()
        with transaction.atomic(using=mine.db):
            locked = mine.select_for_update().get()
            locked._refuse_rotation()
            created = locked._create_successor()
            locked._end_in(overlap, created.api_key)
        self.expires, self.successor = locked.expires, locked.successor
        return created

    rotate.alters_data = True  # type: ignore[attr-defined]

    async def arotate(self, overlap: timedelta = timedelta(days=7)) -> CreatedKey:
        """See :meth:`rotate`."""
        return await sync_to_async(self.rotate)(overlap)

    arotate.alters_data = True  # type: ignore[attr-defined]

    def _siblings(self) -> ApiKeyQuerySet:
        """Return the query for this key alone, in the database to write it to."""
        using = router.db_for_write(type(self), instance=self)
        found: ApiKeyQuerySet = type(self).objects.using(using).filter(pk=self.pk)
        return found

    def _refuse_rotation(self) -> None:
        if reason := self.end_reason(timezone.now()):
            raise ValueError(f"The key {self.pk} is {reason}; make a new one.")
        if self.successor_id is not None:
            raise ValueError(
                f"The key {self.pk} has the successor {self.successor_id}; rotate that."
            )

    def _create_successor(self) -> CreatedKey:
        manager: ApiKeyManager = type(self).objects.db_manager(self._state.db)
        return manager.create_key(
            name=self.name,
            account_id=self.account_id,
            org_id=self.org_id or None,
            scopes=self.scopes,
            lifetime=None if self.expires is None else self.expires - self.created,
            env=self.env,
        )

    def _end_in(self, overlap: timedelta, successor: ApiKey) -> None:
        now = timezone.now()
        if self.expires is None or self.expires - now > overlap:
            self.expires = now + overlap
        self.successor = successor
        self.save(update_fields=["expires", "successor"])


def _refuse_wrong_overlap(overlap: object) -> None:
    if not isinstance(overlap, timedelta) or not ZERO <= overlap <= MAX_OVERLAP:
        raise ValueError(
            f"overlap is {overlap!r}; it is a timedelta from 0 to {MAX_OVERLAP.days} "
            "days."
        )
