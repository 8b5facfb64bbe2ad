"""``manage.py revokesessions``: end sessions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import router

from django_secure_session import conf
from django_secure_session.exceptions import StoreUnavailable
from django_secure_session.registry import (
    active_sessions,
    many,
    records,
    revoke_account,
)
from django_secure_session.registry.checks import is_per_process
from django_secure_session.registry.models import HANDLE_BYTES, SessionRecord

ACCOUNT_LENGTH = 255


class Command(BaseCommand):
    """End all the sessions that are named, or none."""

    help = (
        "Ends sessions for good: those named, all of an account, or all there are. A "
        "process that can't be told, as its cache is its own or failed, learns of it "
        "after REVOCATION_MAX_STALENESS."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "handles", metavar="HANDLE", nargs="*", help="the handle of a session"
        )
        parser.add_argument(
            "--account", metavar="ID", help="end all the sessions of this account"
        )
        parser.add_argument(
            "--all",
            action="store_true",
            help="end all sessions of the site, as after a leak",
        )
        parser.add_argument(
            "--yes", action="store_true", help="with --all: do not ask before"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """End the sessions."""
        handles, account_id = options["handles"], options["account"]
        if [bool(handles), account_id is not None, options["all"]].count(True) != 1:
            raise CommandError("Give handles, or --account with one account, or --all.")
        with _explained():
            if handles:
                self._end_named(handles)
            elif account_id is not None:
                self._end_account(account_id)
            else:
                self._end_everything(options["yes"])
        self._tell_delay()

    def _end_named(self, handles: list[str]) -> None:
        rows = _named(handles)
        named = SessionRecord.objects.filter(pk__in=[row.pk for row in rows])
        ended: set[str] = set()
        many.end_many(named, lambda batch: ended.update(row.pk for row in batch))
        for row in rows:
            was = "" if row.pk in ended else " already"
            self.stdout.write(f"Ended{was}: {row.pk} of the account {row.account_id!r}")

    def _end_account(self, account_id: str) -> None:
        if not 0 < len(account_id) <= ACCOUNT_LENGTH or not account_id.isprintable():
            raise CommandError("Nothing was ended. --account is no id of an account.")
        count = active_sessions(account_id).count()
        revoke_account(account_id)
        self.stdout.write(f"Ended: {_sessions(count)} of the account {account_id!r}")
        if not count:
            self.stdout.write(
                "None was known to go on. If one from before the registry did, it has "
                "ended too."
            )

    def _end_everything(self, is_sure: bool) -> None:
        if not is_sure:
            _ask()
        count = many.end_everything()
        self.stdout.write(f"Ended: {_sessions(count)}, all there were")

    def _tell_delay(self) -> None:
        """Say that others may not know yet: it is their memory, not the command's."""
        config = conf.get_config()
        seconds, alias = config.revocation_max_staleness, config.revocation_cache_alias
        if seconds and is_per_process(alias):
            self.stderr.write(
                f"Each process of the site has its own cache {alias!r}, so it may take "
                f"{seconds} seconds until all refuse them: REVOCATION_MAX_STALENESS.",
                style_func=str,
            )


@contextmanager
def _explained() -> Iterator[None]:
    try:
        with records.reaching():
            yield
    except StoreUnavailable as error:
        raise CommandError(f"Not all were ended. {error}") from error


def _named(handles: list[str]) -> list[SessionRecord]:
    rows = SessionRecord.objects.using(router.db_for_write(SessionRecord))
    found = list(rows.filter(pk__in=set(filter(_is_handle, handles))))
    if unknown := set(handles).difference(row.pk for row in found):
        raise CommandError(
            "Nothing was ended. There is no session with the handle "
            f"{', '.join(sorted(map(_shown, unknown)))}. The admin and "
            "registry.active_sessions() tell handles; what prunesessions has deleted "
            "can't be opened any more."
        )
    return found


def _is_handle(text: str) -> bool:
    return re.fullmatch(rf"[0-9a-f]{{{2 * HANDLE_BYTES}}}", text) is not None


def _shown(text: str) -> str:
    """Return what was given for a handle, but nothing that may be a cookie."""
    return (
        repr(text) if len(text) <= 2 * HANDLE_BYTES else "that you gave, which is none"
    )


def _ask() -> None:
    question = "This logs out everybody, on the whole site. Type 'yes' to go on: "
    try:
        answer = input(question)
    except EOFError:
        raise CommandError(
            "Nothing was ended. Without a terminal, give --yes."
        ) from None
    if answer != "yes":
        raise CommandError("Nothing was ended.")


def _sessions(count: int) -> str:
    return f"{count} session{'' if count == 1 else 's'}"
