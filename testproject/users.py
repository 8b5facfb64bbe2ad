"""Who can log in to the demo site, and for which organisations they act."""

from __future__ import annotations

from typing import NamedTuple

# Known to everyone, and that is fine here: the site answers on 127.0.0.1 only.
DEMO_PASSWORD = "demo-password"  # noqa: S105

#: Names by slug.
ORGANISATIONS = {"seal-and-sons": "Seal and Sons", "post-office": "Post Office"}


class DemoUser(NamedTuple):
    """One user that ``manage.py seed`` makes; *roles* are by organisation."""

    username: str
    staff: bool
    verified: bool
    roles: dict[str, str]
    description: str


DEMO_USERS = [
    DemoUser(
        "ada",
        staff=False,
        verified=True,
        roles={"seal-and-sons": "owner", "post-office": "member"},
        description="owner of Seal and Sons and member of the Post Office",
    ),
    DemoUser(
        "grace",
        staff=True,
        verified=False,
        roles={"post-office": "admin"},
        description="admin of the Post Office, not verified, and staff, who may also "
        "log in to Django's admin",
    ),
]
