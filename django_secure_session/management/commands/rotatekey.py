"""``manage.py rotatekey``: replace the key in a file in three steps."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_secure_session.conf import SESSION_PURPOSE, SessionConfig, get_configs
from django_secure_session.exceptions import InvalidKey
from django_secure_session.keyring import KEY_BYTES, Keyring
from django_secure_session.keyring.forms import keys_in_file, read_key_file
from django_secure_session.management import keyfile, rotation

NEXT = "Give the file to all hosts and restart them."
CENTURY = 36525 * 86400  # seconds; no longer life is told apart, or fits a date


class Command(BaseCommand):
    """Change a key file by one step of a rotation. No key is shown."""

    help = "Rotates the key in a file of SECURE_SESSION['KEY'], one step at a time."
    # It must run while there is no key yet, or a wrong one.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("file", metavar="FILE", help="the key file")
        steps = parser.add_mutually_exclusive_group(required=True)
        steps.add_argument(
            "--stage", action="store_true", help="add a new key that only decrypts yet"
        )
        steps.add_argument(
            "--promote", action="store_true", help="let the staged key encrypt"
        )
        steps.add_argument(
            "--retire", action="store_true", help="remove the keys no session needs"
        )
        parser.add_argument(
            "--force",
            action="store_true",
            help="with --retire: remove all old keys, though sessions may need them",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do the step."""
        if options["force"] and not options["retire"]:
            raise CommandError("--force goes with --retire only.")
        path = Path(options["file"])
        try:
            report = _rotate(path, options)
        except (InvalidKey, keyfile.Conflict, rotation.StepRefused) as error:
            raise CommandError(f"Nothing was changed. {error}") from None
        except PermissionError:
            raise CommandError(
                f"{path} was not changed: run this as its owner, with the right to "
                "write to its directory."
            ) from None
        except OSError as error:
            raise CommandError(f"{path} was not changed: {error.strerror}.") from None
        self.stdout.write(report)


def _rotate(path: Path, options: Mapping[str, Any]) -> str:
    """Do the step and return what to say about it."""
    old = read_key_file(path, "FILE")
    file = rotation.read(old, str(path))
    now = datetime.fromtimestamp(time.time(), UTC)
    if options["stage"]:
        new = rotation.stage(file, now)
        report = _staged(path, old)
    elif options["promote"]:
        new = rotation.promote(file, now)
        report = _promoted(path, now, longest_lifetime(old))
    else:
        new = rotation.retire(file, now, longest_lifetime(old), force=options["force"])
        report = _retired(path, file, rotation.read(new, str(path)))
    keyfile.replace(path, old, new)
    return report


def _staged(path: Path, old: bytes) -> str:
    text = f"{path} has a new key, the last. It only decrypts yet."
    if len(old) == KEY_BYTES:
        text += " The file was 32 raw bytes and is text now."
    return f"{text}\n{NEXT} After that: --promote"


def _promoted(path: Path, now: datetime, lifetime: timedelta | None) -> str:
    term = "as long as they may live, counted from the last restart"
    if lifetime is not None:
        until = rotation.show(now + lifetime)
        term = f"until {until}, or as much longer as the last restart takes"
    return (
        f"{path} has the staged key first now, so it encrypts. The one that was first "
        f"only decrypts.\n{NEXT} Sessions may need the old key {term}. After that: "
        "--retire"
    )


def _retired(path: Path, before: rotation.KeyFile, after: rotation.KeyFile) -> str:
    kept = len(after.fallbacks)
    text = f"Old keys removed from {path}: {len(before.fallbacks) - kept}."
    if kept:
        text += f" Kept, as sessions may need them: {kept}."
    return f"{text}\n{NEXT}"


def longest_lifetime(content: bytes) -> timedelta | None:
    """Return how long a session under a key in this content may live.

    None if the settings have no such key, or can't be read.
    """
    try:
        configs = get_configs().values()
    except ImproperlyConfigured:
        return None
    keyring = Keyring(keys_in_file(content, "FILE"))
    lives = [_lifetime(config) for config in configs if _shares_key(config, keyring)]
    return timedelta(seconds=min(max(lives), CENTURY)) if lives else None


def _shares_key(config: SessionConfig, keyring: Keyring) -> bool:
    context = (SESSION_PURPOSE, config.alias, config.audience)
    ours, theirs = keyring.box(*context), config.keyring.box(*context)
    return not set(ours.ids).isdisjoint(theirs.ids)


def _lifetime(config: SessionConfig) -> int:
    """Return in seconds what bounds a life that the site's code does not prolong."""
    return config.absolute_timeout or max(config.cookie_age, config.idle_timeout or 0)
