"""``manage.py createapikey``: make an API key."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import router, transaction

from django_secure_session.api_keys.managers import (
    LIFETIME,
    NAME_LENGTH,
    OWNER_LENGTH,
    CreatedKey,
    checked_text,
)
from django_secure_session.api_keys.models import ApiKey
from django_secure_session.api_keys.owners import objection
from django_secure_session.exceptions import StoreUnavailable

MOST_DAYS = 36525  # a century; no date overflows


class Command(BaseCommand):
    """Print a new key and nothing else, so that it can be piped to its place."""

    help = "Makes an API key and prints it, this once. What is to know goes to stderr."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--name", required=True, help="what the key is used for")
        parser.add_argument(
            "--account",
            metavar="ID",
            required=True,
            help="whom it acts as: an id that ACCOUNT_PROVIDER knows, which for "
            "Django's users is the primary key",
        )
        parser.add_argument("--org", metavar="ID", help="the organisation it acts for")
        parser.add_argument(
            "--scope",
            nargs="+",
            action="extend",
            default=[],
            help="what it may do; may be given several times",
        )
        life = parser.add_mutually_exclusive_group()
        life.add_argument(
            "--days",
            type=_days,
            default=LIFETIME.days,
            help="how long it is good (default: %(default)s)",
        )
        life.add_argument("--never", action="store_true", help="let it never expire")
        parser.add_argument("--env", default="live", help="a part of the key's text")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the key."""
        asked = _asked(options)
        _refuse_stranger(asked["account_id"], asked["org_id"])
        try:
            # A key that could not be written is not made.
            with transaction.atomic(using=router.db_for_write(ApiKey)):
                created = _create(asked)
                self.stdout.write(created.text)
                self.stdout.flush()
        except OSError as error:
            raise CommandError(
                f"No key was made, as it could not be written: {error.strerror}."
            ) from None
        self.stderr.write(_note(created), style_func=str)


def _days(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= MOST_DAYS:
        raise ArgumentTypeError(f"{text!r} is no number from 1 to {MOST_DAYS}")
    return int(text)


def _asked(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of create_key(). The provider is asked of nothing wrong."""
    org, days = options["org"], options["days"]
    with _explained():
        return {
            "name": checked_text("--name", options["name"], NAME_LENGTH),
            "account_id": checked_text("--account", options["account"], OWNER_LENGTH),
            "org_id": None if org is None else checked_text("--org", org, OWNER_LENGTH),
            "scopes": options["scope"],
            "lifetime": None if options["never"] else timedelta(days=days),
            "env": options["env"],
        }


def _refuse_stranger(account_id: str, org_id: str | None) -> None:
    try:
        refused = objection(account_id, org_id)
    except (ImproperlyConfigured, NotImplementedError, StoreUnavailable) as error:
        raise CommandError(f"No key was made. {error}") from error
    if refused is not None:
        raise CommandError(f"No key was made. {refused.text}")


def _create(asked: Mapping[str, Any]) -> CreatedKey:
    with _explained():
        return ApiKey.objects.create_key(**asked)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise CommandError(f"No key was made: {error}") from None


def _note(created: CreatedKey) -> str:
    key = created.api_key
    until = f"until {key.expires:%Y-%m-%d}" if key.expires else "until it is revoked"
    whom = f"account {key.account_id!r}"
    if key.org_id:
        whom += f" and organisation {key.org_id!r}"
    scopes = f"the scopes {' '.join(key.scopes)}" if key.scopes else "no scopes"
    return (
        f"The key {key.pk} acts for {whom} with {scopes} and is good {until}. It was "
        "printed this once and can't be shown again."
    )
