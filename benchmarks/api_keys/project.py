"""A site with one user, who has a key of each kind.

One row in each table is the fastest to find, and knox reads all tokens of the user.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.core.management import call_command
from django.utils import timezone

from benchmarks import site as any_site
from benchmarks.guards import project as guards
from benchmarks.site import OUR_ENGINE, OUR_MIDDLEWARE, Setup

USER_ID, USERNAME, SCOPE = guards.USER_ID, guards.USERNAME, "invoices:read"

#: The last part of a view's path.
OURS, KNOX, KEY_ONLY = "ours", "knox", "api-key"
#: Views for everybody: Django's, ours under our middleware, and DRF's.
PLAIN, BEHIND_OURS, DRF = "plain", "behind-ours", "drf"
VIEWS = (OURS, KNOX, KEY_ONLY, PLAIN, BEHIND_OURS, DRF)
#: What MIDDLEWARE has: what the side needs, or what ``startproject`` writes.
NEEDED, USUAL = "needed", "startproject"
STACKS = (NEEDED, USUAL)

APPS = (
    *guards.APPS,
    "django_secure_session.api_keys",
    "rest_framework",
    "knox",
    "rest_framework_api_key",
)


def setup(stack: str, view: str) -> Setup:
    """Return the middleware that a view has in a stack."""
    is_ours = view in (OURS, BEHIND_OURS)
    if stack == USUAL:
        return guards.setups()[guards.OURS if is_ours else guards.USUAL]
    needed = (OUR_MIDDLEWARE, guards.ACCOUNT_MIDDLEWARE)
    return Setup(OUR_ENGINE, needed) if is_ours else Setup()


@contextlib.contextmanager
def site(*, is_async: bool) -> Iterator[None]:
    """Configure Django, make the database and its user."""
    with any_site.site("benchmarks.api_keys.views", APPS, is_async=is_async):
        call_command("migrate", verbosity=0)
        _create_user()
        yield


def _create_user() -> Any:
    from django.contrib.auth.models import User  # needs the apps

    # As long as Django writes it; nobody logs in by it.
    password = f"pbkdf2_sha256$1500000${secrets.token_hex(11)}${secrets.token_hex(22)}"
    return User.objects.create(pk=USER_ID, username=USERNAME, password=password)


def authorizations() -> dict[str, str]:
    """Make a key of each kind and return what the Authorization header says."""
    from django.contrib.auth.models import User
    from knox.models import AuthToken
    from rest_framework_api_key.models import APIKey

    token = AuthToken.objects.create(User.objects.get())[1]
    key = APIKey.objects.create_key(name="ERP")[1]
    return {
        OURS: f"Bearer {our_key()}",
        KNOX: f"Token {token}",
        KEY_ONLY: f"Api-Key {key}",
    }


def our_key() -> str:
    """Return a new key of ours whose use was noted and will not be soon."""
    from django_secure_session.api_keys.models import ApiKey

    key, text = ApiKey.objects.create_key(
        name="ERP", account_id=str(USER_ID), scopes=[SCOPE, "invoices:write"]
    )
    # Once a minute a request would make an UPDATE, and that minute can be now.
    noted = timezone.now() + timedelta(days=1)
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=noted)
    return text
