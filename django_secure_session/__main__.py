"""``python -m django_secure_session genkey`` makes a key where no site exists yet."""

from __future__ import annotations

import sys

from django_secure_session.management.commands.genkey import Command

NAME = "genkey"


def main(argv: list[str]) -> None:
    """Run ``genkey``, the one command that needs no settings."""
    if argv[1:2] != [NAME]:
        sys.exit(f"usage: python -m django_secure_session {NAME} [--help]")
    Command().run_from_argv(["python -m django_secure_session", *argv[1:]])


if __name__ == "__main__":
    main(sys.argv)
