"""``manage.py listapikeys``: what is known of API keys."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from django_secure_session.api_keys.models import ApiKey
from django_secure_session.api_keys.states import printable, state_of

NONE = "-"


class Line(NamedTuple):
    """What is printed of a key."""

    id: str
    name: str
    account: str
    org: str
    scopes: str
    state: str
    created: str
    expires: str
    last_used: str


HEADER = Line(*(name.upper().replace("_", " ") for name in Line._fields))


class Command(BaseCommand):
    """Print a table of keys."""

    help = "Lists the API keys that are good, or all; never a key itself."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--account", metavar="ID", help="those of an account")
        parser.add_argument("--org", metavar="ID", help="those of an organisation")
        parser.add_argument(
            "--all", action="store_true", help="also those revoked or expired"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the table."""
        keys = ApiKey.objects.all() if options["all"] else ApiKey.objects.usable()
        asked = {"account_id": options["account"], "org_id": options["org"]}
        keys = keys.filter(**{k: v for k, v in asked.items() if v is not None})
        now = timezone.now()
        lines = [_line(key, now) for key in keys.defer("digest")]
        for cells in _aligned([HEADER, *lines]):
            self.stdout.write("  ".join(cells).rstrip())


def _aligned(lines: list[Line]) -> Iterator[list[str]]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        yield [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]


def _line(key: ApiKey, now: datetime) -> Line:
    return Line(
        key.pk,
        printable(key.name) or NONE,
        printable(key.account_id),
        printable(key.org_id) or NONE,
        " ".join(sorted(key.scope_set)) or NONE,
        state_of(key, now),
        _time(key.created),
        _time(key.expires),
        _time(key.last_used_at),
    )


def _time(when: datetime | None) -> str:
    return when.isoformat(" ", "minutes") if when else NONE
