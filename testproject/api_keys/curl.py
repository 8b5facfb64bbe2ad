"""What to type in a terminal to try a key, and the status of each answer."""

from __future__ import annotations

from typing import NamedTuple

from django.http import HttpRequest
from django.urls import reverse

from django_secure_session.api_keys.models import ApiKey
from testproject.organisations.models import LEADERS

INVOICE = '{"customer": "Ada", "total": "27.30"}'
BODY = f" -H 'Content-Type: application/json' -d '{INVOICE}'"


class Line(NamedTuple):
    """A command, and what it shows."""

    command: str
    status: int
    why: str


def lines_for(request: HttpRequest, key: ApiKey, text: str = "$KEY") -> list[Line]:
    """Return commands for a key whose owner makes the request, the good ones first.

    *text* is the key itself, where that is known.
    """
    site = request.build_absolute_uri("/").rstrip("/")
    header = f' -H "Authorization: Bearer {text}"'
    shown = [_me(site, header), _read(site, header, key), _write(site, header, key)]
    shown.append(_team(site, header, key, request.account.role in LEADERS))
    shown.sort(key=lambda line: line.status)
    return [*shown, _without_key(site)]


def _me(site: str, header: str) -> Line:
    return Line(_curl(site, "api:me") + header, 200, "Whom the key speaks for.")


def _read(site: str, header: str, key: ApiKey) -> Line:
    status, why = _scoped(key, "invoices:read", 200, "The invoices.")
    return Line(_curl(site, "api:invoices") + header, status, why)


def _write(site: str, header: str, key: ApiKey) -> Line:
    status, why = _scoped(key, "invoices:write", 201, "Another invoice.")
    return Line(_curl(site, "api:invoices") + BODY + header, status, why)


def _team(site: str, header: str, key: ApiKey, is_leader: bool) -> Line:
    status, why = _scoped(key, "team:read", 200, "The members.")
    if status == 200 and not is_leader:
        status, why = 403, "The scope is there, but its owner has not the role."
    return Line(_curl(site, "api:team") + header, status, why)


def _without_key(site: str) -> Line:
    return Line(_curl(site, "api:me"), 401, "No key.")


def _scoped(key: ApiKey, scope: str, status: int, why: str) -> tuple[int, str]:
    if scope not in key.scope_set:
        return 403, f"The key lacks {scope}."
    if not key.org_id:
        return 403, "The key is for no organisation."
    return status, why


def _curl(site: str, url_name: str) -> str:
    return f"curl -i {site}{reverse(url_name)}"
