"""``manage.py prunesessions``: forget sessions that are too old to be opened."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_secure_session.exceptions import StoreUnavailable
from django_secure_session.registry import pruning, records

MOST = 10_000  # SQLite takes no statement with many more of them


class Command(BaseCommand):
    """Delete old rows, as Django's ``clearsessions`` does with the registry."""

    help = (
        "Deletes from the registry the sessions that are too old to be opened. It may "
        "run at any time and beside itself; a cron job once a day will do."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--batch",
            metavar="N",
            type=_batch,
            default=1000,
            help="how many rows to delete at a time (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Delete the rows."""
        try:
            with records.reaching() as using:
                count = pruning.prune(using, options["batch"])
        except StoreUnavailable as error:
            raise CommandError(f"Not all could be deleted. {error}") from error
        self.stdout.write(f"Deleted: {count} session{'' if count == 1 else 's'}")


def _batch(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= MOST:
        raise ArgumentTypeError(f"{text!r} is no number from 1 to {MOST}")
    return int(text)
