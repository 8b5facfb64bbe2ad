"""Log in at another worker of the same site, which is a process of its own.

``python -m tests.guarded.worker`` is told on standard input what the workers share, and
prints a cookie for each way to log in.
"""

from __future__ import annotations

import json
import sys
import time

import django
from django.conf import settings


def main() -> None:
    told = json.load(sys.stdin)
    settings.SECRET_KEY = told["secret_key"]
    settings.SECURE_SESSION = {
        "KEY": told["key"],
        "ACCOUNT_PROVIDER": "tests.guarded.provider.Members",
    }
    # Nor a database, which a registry would ask.
    settings.INSTALLED_APPS.remove("django_secure_session.registry")
    django.setup()
    time.time = lambda: told["now"]
    json.dump(_cookies(told["user"]), sys.stdout)


def _cookies(fields) -> dict[str, str]:
    from django.contrib.auth.models import User
    from django.contrib.auth.signals import user_logged_in

    from tests.guarded import people

    user_logged_in.disconnect(dispatch_uid="update_last_login")  # it has no database
    people.join()
    return {
        "django_log_in": people.log_in_as(User(**fields)),
        "own_log_in": people.own_log_in(),
    }


if __name__ == "__main__":
    main()
