"""Who can log in to the demo site."""

from __future__ import annotations

from typing import NamedTuple

# Known to everyone, and that is fine here: the site answers on 127.0.0.1 only.
DEMO_PASSWORD = "demo-password"  # noqa: S105


class DemoUser(NamedTuple):
    """One user that ``manage.py seed`` makes."""

    username: str
    staff: bool
    description: str


DEMO_USERS = [
    DemoUser("ada", False, "an ordinary user"),
    DemoUser("grace", True, "staff, who may also log in to the admin"),
]
