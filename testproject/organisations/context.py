"""The organisations that one can switch to, for every template."""

from __future__ import annotations

import functools
from collections.abc import Callable

from django.http import HttpRequest

from testproject.organisations.models import Membership


def memberships(request: HttpRequest) -> dict[str, Callable[[], list[Membership]]]:
    """Give every template the memberships. Only one that uses them makes a query."""

    @functools.cache
    def find() -> list[Membership]:
        if request.account is None:
            return []
        of_account = Membership.objects.filter(user=request.account.id)
        return list(of_account.select_related("organisation"))

    return {"memberships": find}
