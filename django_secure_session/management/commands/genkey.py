"""``manage.py genkey``: make a session key."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_secure_session.keyring import generate_key
from django_secure_session.management.keyfile import write_new


class Command(BaseCommand):
    """Print a new key, or write it to a new file, and nothing else."""

    help = "Makes a session key for SECURE_SESSION['KEY']."
    # It must run while there is no key yet, or a wrong one.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--format",
            choices=["base64", "hex", "raw"],
            default="base64",
            help="text form of the key, or its 32 raw bytes (default: base64)",
        )
        parser.add_argument(
            "--env", metavar="NAME", help="print NAME=key, a line for an .env file"
        )
        parser.add_argument(
            "--output",
            metavar="FILE",
            help="write to this new file, readable for its owner only",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the key."""
        content = _content(options["format"], options["env"])
        path = None if options["output"] is None else Path(options["output"])
        try:
            if path is None:
                self._write_stdout(content, raw=options["format"] == "raw")
            else:
                write_new(path, content)
        except FileExistsError:
            raise CommandError(
                f"{path} exists; a key is never overwritten. Choose another name, or "
                "move the old key to KEY_FALLBACKS and remove the file."
            ) from None
        except OSError as error:
            raise CommandError(
                f"The key was not written to {path or 'stdout'}: {error.strerror}."
            ) from None

    def _write_stdout(self, content: bytes, *, raw: bool) -> None:
        """Write at once: a full disk must show here, not when Python exits."""
        if raw:
            self.stdout.buffer.write(content)  # type: ignore[attr-defined]
        else:
            self.stdout.write(content.decode(), ending="")
        self.stdout.flush()


def _content(form: str, env: str | None) -> bytes:
    key = generate_key()
    if env is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", env):
        raise CommandError(f"{env!r} is no name for an environment variable.")
    if form == "raw":
        if env is not None:
            raise CommandError("--env prints text; use it with base64 or hex.")
        return key
    text = key.hex() if form == "hex" else base64.b64encode(key).decode()
    line = text if env is None else f"{env}={text}"
    return f"{line}\n".encode()
