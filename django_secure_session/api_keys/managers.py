"""Make, find and end API keys."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from asgiref.sync import sync_to_async
from django.db import connections, models
from django.db.models import Q
from django.utils import timezone

from django_secure_session import conf
from django_secure_session.api_keys import tokens
from django_secure_session.identity import is_scope

if TYPE_CHECKING:
    from django_secure_session.api_keys.models import ApiKey

LIFETIME = timedelta(days=365)
#: Characters that the columns hold.
NAME_LENGTH, OWNER_LENGTH = 100, 255
#: Between two notes of when a key was last used.
USE_INTERVAL = timedelta(minutes=1)


class CreatedKey(NamedTuple):
    """A new key: its row, and the *text* for its owner, which is nowhere else."""

    api_key: ApiKey
    text: str

    def __repr__(self) -> str:
        return (
            f"<CreatedKey {self.api_key.pk}>"  # the text is nothing for an error page
        )


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """Queries about keys."""

    def usable(self) -> ApiKeyQuerySet:
        """Return the keys that are neither revoked nor expired."""
        lasting = Q(expires=None) | Q(expires__gt=timezone.now())
        return self.filter(lasting, revoked_at=None)

    def revoke(self) -> int:
        """End keys for good, at once, and return how many were not so before."""
        return self.filter(revoked_at=None).update(revoked_at=timezone.now())

    revoke.queryset_only = True  # type: ignore[attr-defined] # as delete() is
    revoke.alters_data = True  # type: ignore[attr-defined]

    async def arevoke(self) -> int:
        """See :meth:`revoke`."""
        unrevoked = self.filter(revoked_at=None)
        return await unrevoked.aupdate(revoked_at=timezone.now())

    arevoke.queryset_only = True  # type: ignore[attr-defined]
    arevoke.alters_data = True  # type: ignore[attr-defined]

    def note_use(self, key_id: str, now: datetime) -> int:
        """Note that a key was used, unless that was noted less than a minute ago."""
        due = Q(last_used_at=None) | Q(last_used_at__lte=now - USE_INTERVAL)
        return self.filter(due, pk=key_id).update(last_used_at=now)


_Manager = models.Manager.from_queryset(ApiKeyQuerySet)


class ApiKeyManager(_Manager["ApiKey"]):
    """Makes keys: ``ApiKey.objects.create_key(...)``."""

    def find(self, digest: str) -> ApiKey | None:
        """Return the key of a digest.

        By nothing else: for a row of the id, which anybody may have seen, a database
        would look longer than for none. In SQL, because to write it anew for each
        request takes the ORM longer than all else that is done about a key.
        """
        quote = connections[self.db].ops.quote_name
        table, column = quote(self.model._meta.db_table), quote("digest")
        sql = f"SELECT * FROM {table} WHERE {column} = %s"  # noqa: S608 # own names
        return next(iter(self.raw(sql, [digest])), None)

    async def afind(self, digest: str) -> ApiKey | None:
        """See :meth:`find`."""
        return await sync_to_async(self.find)(digest)

    def create_key(
        self,
        *,
        name: str,
        account_id: str,
        org_id: str | None = None,
        scopes: Collection[str] = (),
        lifetime: timedelta | None = LIFETIME,
        env: str = "live",
    ) -> CreatedKey:
        """Make a key that acts for an account, and for an organisation if one is given.

        Its text is in what is returned and nowhere else, so hand it over now. A
        *lifetime* of None is for ever. Raise TypeError or ValueError for what no key
        can be of; whether there is such an account is for ACCOUNT_PROVIDER to say, in
        each request.
        """
        __traceback_hide__ = True
        if tokens.ENVIRONMENT.fullmatch(env) is None:
            raise ValueError(f"env is {env!r}; it is a short name: a-z and 0-9.")
        now = timezone.now()
        minted = tokens.mint(conf.get_config().api_key_prefix, env)
        api_key: ApiKey = self.create(
            id=minted.key_id,
            digest=minted.digest,
            env=env,
            name=checked_text("name", name, NAME_LENGTH),
            account_id=checked_text("account_id", account_id, OWNER_LENGTH),
            org_id="" if org_id is None else _checked_org(org_id),
            scopes=checked_scopes(scopes),
            created=now,
            expires=_end_of(lifetime, now),
        )
        return CreatedKey(api_key, minted.text)

    async def acreate_key(
        self,
        *,
        name: str,
        account_id: str,
        org_id: str | None = None,
        scopes: Collection[str] = (),
        lifetime: timedelta | None = LIFETIME,
        env: str = "live",
    ) -> CreatedKey:
        """See :meth:`create_key`."""
        return await sync_to_async(self.create_key)(
            name=name,
            account_id=account_id,
            org_id=org_id,
            scopes=scopes,
            lifetime=lifetime,
            env=env,
        )


def checked_text(name: str, value: object, longest: int) -> str:
    """Return a text. Raise TypeError or ValueError for what the column can't hold."""
    if not isinstance(value, str):
        raise TypeError(
            f"{name} is of type {type(value).__name__}; it is a text, such as "
            "str(user.pk)."
        )
    if not value.strip() or len(value) > longest or not value.isprintable():
        raise ValueError(f"{name} must have 1 to {longest} printable characters.")
    return value


def _checked_org(value: object) -> str:
    if value == "":
        raise ValueError("org_id is empty; None is for no organisation.")
    return checked_text("org_id", value, OWNER_LENGTH)


def checked_scopes(scopes: object) -> list[str]:
    """Return scopes, each once. Raise TypeError or ValueError for what is none."""
    if isinstance(scopes, (str, bytes)) or not isinstance(scopes, Collection):
        raise TypeError(f'scopes is {scopes!r}; it is a list: ["invoices:read"].')
    for scope in scopes:
        if not is_scope(scope):
            raise ValueError(
                f"{scope!r} is no scope; that is a text without spaces, quotes and "
                "backslashes, in ASCII."
            )
    return list(dict.fromkeys(scopes))


def _end_of(lifetime: object, now: datetime) -> datetime | None:
    """Return when a key ends. Raise ValueError for what is no lifetime."""
    if lifetime is None:
        return None
    try:
        if isinstance(lifetime, timedelta) and lifetime >= timedelta(seconds=1):
            return now + lifetime
    except OverflowError:  # beyond the year 9999
        pass
    raise ValueError(
        f"lifetime is {lifetime!r}; it is a timedelta of a second or more, or None."
    )
