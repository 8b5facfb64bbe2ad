"""``python -m django_secure_session``: the commands that need no site."""

from __future__ import annotations

import os
import sys

from django.core.management import load_command_class

PROGRAM = "python -m django_secure_session"
NAMES = ("genkey", "rotatekey")


def main(argv: list[str]) -> None:
    """Run a command that needs no settings."""
    if len(argv) < 2 or argv[1] not in NAMES:
        sys.exit(f"usage: {PROGRAM} {' | '.join(NAMES)} [--help]")
    command = load_command_class("django_secure_session", argv[1])
    command.run_from_argv([PROGRAM, *argv[1:]])


if __name__ == "__main__":
    # A site that does not boot, for want of a key, must not be in the way.
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)
    main(sys.argv)
