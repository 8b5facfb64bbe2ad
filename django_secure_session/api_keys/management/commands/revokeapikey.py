"""``manage.py revokeapikey``: end API keys."""

from __future__ import annotations

import re
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import router, transaction

from django_secure_session import conf
from django_secure_session.api_keys import tokens
from django_secure_session.api_keys.managers import ApiKeyQuerySet
from django_secure_session.api_keys.models import ApiKey
from django_secure_session.api_keys.states import printable


class Command(BaseCommand):
    """End all the keys that are named, or none."""

    help = "Ends API keys for good, at once: those named, or all of an account's."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "ids", metavar="ID", nargs="*", help="the id of a key, or the key itself"
        )
        parser.add_argument(
            "--account", metavar="ID", help="end all the keys of this account"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """End the keys."""
        ids, account_id = options["ids"], options["account"]
        if bool(ids) == (account_id is not None):
            raise CommandError("Give the ids of keys, or --account with one account.")
        with transaction.atomic(using=router.db_for_write(ApiKey)):
            found = _named(ids) if ids else _of_account(account_id)
            keys = list(found)
            found.revoke()
        for key in keys:
            was = " already" if key.revoked_at else ""
            self.stdout.write(f"Revoked{was}: {printable(str(key))}")


def _named(texts: list[str]) -> ApiKeyQuerySet:
    ids = {_id(text) for text in texts}
    found: ApiKeyQuerySet = ApiKey.objects.filter(pk__in=ids)
    if unknown := ids.difference(found.values_list("pk", flat=True)):
        raise CommandError(
            "Nothing was revoked. There is no API key with the id "
            f"{', '.join(sorted(map(_shown, unknown)))}. See: listapikeys --all"
        )
    return found


def _id(text: str) -> str:
    """Return the id, also of a whole key: who finds one in the open has only that."""
    presented = tokens.parse(text, conf.get_config().api_key_prefix)
    return presented.key_id if presented else text


def _shown(text: str) -> str:
    """Return an id, but nothing that may be a key with a slip in it."""
    is_id = re.fullmatch(rf"\w{{0,{tokens.ID_LENGTH}}}", text, re.ASCII)
    return repr(text) if is_id else "that you gave, which is none"


def _of_account(account_id: str) -> ApiKeyQuerySet:
    found: ApiKeyQuerySet = ApiKey.objects.filter(account_id=account_id)
    if not found.exists():
        raise CommandError(f"The account {account_id!r} has no API keys.")
    return found
