"""The tables of the registry. A copy of them lets nobody in: digests, no sids."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import ClassVar

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.utils.translation import gettext_lazy as _

from django_secure_session import conf

#: The epoch of an account of which nothing was noted. 0 is for "nobody has counted".
FIRST_EPOCH = 1
HANDLE_BYTES = 10
#: How long a sid that was given up is still good, for requests on their way.
GRACE = timedelta(seconds=10)

if not apps.is_installed(conf.REGISTRY):
    # Django would take it for a model of the app around, which has no such table.
    raise ImproperlyConfigured(
        f'The registry\'s models need its app: add "{conf.REGISTRY}" to INSTALLED_APPS.'
    )


def new_handle() -> str:
    """Return a name for a session that people and logs may see."""
    return secrets.token_hex(HANDLE_BYTES)


class SessionRecord(models.Model):
    """A log-in: one row from the log-in to the log-out, whatever sid it goes on under.

    ``digest`` is of the sid, ``previous_digest`` of the one before it, which parallel
    requests may still bring, and ``adopted_digest`` of the one that a session had which
    is older than the registry. ``epoch`` is the account's when the session began.
    """

    handle = models.CharField(
        _("handle"),
        max_length=2 * HANDLE_BYTES,
        primary_key=True,
        default=new_handle,
        editable=False,
    )
    digest = models.CharField("SHA-256", max_length=64, editable=False)
    previous_digest = models.CharField(
        max_length=64, blank=True, default="", editable=False
    )
    adopted_digest = models.CharField(  # noqa: DJ001 # one "" would be the only one
        max_length=64, null=True, blank=True, editable=False
    )
    cycled_at = models.DateTimeField(null=True, blank=True, editable=False)
    account_id = models.CharField(_("account"), max_length=255, editable=False)
    alias = models.CharField(_("session"), max_length=63, editable=False)
    epoch = models.PositiveBigIntegerField(default=FIRST_EPOCH, editable=False)
    created = models.DateTimeField(_("logged in"), editable=False)
    expires = models.DateTimeField(_("expires"), editable=False)
    last_seen = models.DateTimeField(_("last seen"), editable=False)
    ip = models.CharField(_("IP address"), max_length=45, blank=True, editable=False)
    user_agent = models.CharField(
        _("browser"), max_length=255, blank=True, editable=False
    )
    revoked_at = models.DateTimeField(_("ended"), null=True, blank=True, editable=False)

    class Meta:
        """The last used first."""

        ordering: ClassVar = ["-last_seen"]
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        # Named, so not by unique=True or db_index=True: for those PostgreSQL would get
        # indexes for LIKE as well.
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["digest"], name="secure_session_digest"),
            models.UniqueConstraint(
                fields=["adopted_digest"], name="secure_session_adopted"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["previous_digest"], name="secure_session_previous"),
            models.Index(fields=["account_id"], name="secure_session_account"),
            models.Index(fields=["expires"], name="secure_session_expires"),
        ]

    #: What was noted of the account, where a query has asked for that too.
    state_epoch = FIRST_EPOCH
    state_revoked_epoch = 0

    def __str__(self) -> str:
        return self.handle

    def digests(self) -> list[str]:
        """Return what stands for the sids that could still open the session."""
        return [digest for digest in (self.digest, self.previous_digest) if digest]

    def has_not_ended(self) -> bool:
        """Tell whether nobody has ended the session."""
        return self.revoked_at is None and self.epoch >= self.state_revoked_epoch

    def opens(self, digest: str, account_id: str, now: datetime) -> bool:
        """Tell whether the session goes on, and may be opened by a sid."""
        if not self.has_not_ended():
            return False
        return self.digest == digest or self._is_in_grace(account_id, now)

    def _is_in_grace(self, account_id: str, now: datetime) -> bool:
        if self.cycled_at is None or self.account_id != account_id:
            return False
        return abs(now - self.cycled_at) < GRACE


class AccountState(models.Model):
    """What has happened to an account since its sessions were sealed.

    ``epoch`` grows with each change, after which claims are read again. Sessions that
    began in an epoch before ``revoked_epoch`` have ended, however many they are.
    """

    account_id = models.CharField(
        _("account"), max_length=255, primary_key=True, editable=False
    )
    epoch = models.PositiveBigIntegerField(default=FIRST_EPOCH, editable=False)
    revoked_epoch = models.PositiveBigIntegerField(default=0, editable=False)

    def __str__(self) -> str:
        return f"{self.account_id} ({self.epoch})"


class Adoption(models.Model):
    """When the registry was installed: sessions sealed before it have no row yet.

    Its migration makes the one row there is. Without it nothing is adopted.
    """

    sealed_before = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.sealed_before:%Y-%m-%d %H:%M}"
