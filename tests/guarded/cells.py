"""The cells of the table as requests: to ask, and to compare with what was written."""

from __future__ import annotations

import secrets
from contextvars import Context
from typing import NamedTuple
from urllib.parse import parse_qs

from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client

from tests.guarded import people, site, table
from tests.guarded.table import FUNCTIONS, KINDS, kinds_to, views_for
from tests.http import aasgi, wsgi
from tests.visits import NAME, answered, deletes, sent

OWN_403 = "The site's own page."
QUERY = "?page=2&q=%C3%A9%26"


class Cell(NamedTuple):
    """One request of one visitor to one view."""

    identity: str
    guard: str
    view: str
    kind: str
    server: str
    below: str = ""

    @property
    def path(self) -> str:
        return f"{self.below}/{self.guard}/{self.view}/"


def cells_of(identity, guard):
    """Return all cells of a visitor at a guard."""
    return [
        Cell(identity, guard, view, kind, server)
        for server in (*SYNC, *ASYNC)
        for view in views_for(identity, guard)
        for kind in kinds_at(server, view)
    ]


def kinds_at(server, view):
    """Return the kinds of request to a view.

    Django's clients are there for two things: they drop the body of an answer to HEAD,
    as servers do, and they need no CSRF token.
    """
    kinds = kinds_to(view)
    if "client" not in server:
        return [k for k in kinds if KINDS[k].method != "HEAD" or view in FUNCTIONS]
    same = view.startswith("async") == server.startswith("async")
    return [k for k in kinds if same and KINDS[k].method != "GET"]


# Asking


def sending(cell, token, *, forged=False):
    """Return what a server is given, with a CSRF token where an honest page has one."""
    method, headers, _ = KINDS[cell.kind]
    headers, cookies = dict(headers), {}
    if method == "POST" and not forged:
        cookies["csrftoken"] = headers["X-CSRFToken"] = secrets.token_hex(16)
    return {
        "path": cell.path + QUERY,
        "cookie": people.cookie_header(token, **cookies),
        "method": method,
        "headers": headers,
    }


def by_wsgi(cell, token, **how):
    return wsgi(**sending(cell, token, **how))


async def by_asgi(cell, token, **how):
    return await aasgi(**sending(cell, token, **how))


def by_client(cell, token):
    return answered(_generic(Client(), cell, token))


async def by_async_client(cell, token):
    return answered(await _generic(AsyncClient(), cell, token))


def _generic(client, cell, token):
    client.cookies.load({NAME: token} if token else {})
    method, headers, _ = KINDS[cell.kind]
    return client.generic(method, cell.path + QUERY, headers=headers)


SYNC = {"wsgi": by_wsgi, "client": by_client}
ASYNC = {"asgi": by_asgi, "async_client": by_async_client}


def visit(cells, token, **how):
    """Yield each cell with its answer, and the paths of the views that ran."""
    for cell in cells:
        if cell.server in SYNC:
            yield cell, SYNC[cell.server](cell, token, **how), what_ran()
    others = [cell for cell in cells if cell.server in ASYNC]
    # In a context of its own, as tests.http.asgi() has it.
    yield from Context().run(async_to_sync(avisit), others, token, **how)


async def avisit(cells, token, **how):
    return [
        (cell, await ASYNC[cell.server](cell, token, **how), what_ran())
        for cell in cells
    ]


def what_ran():
    """Return the paths of the views that ran since this was last asked."""
    paths = site.ran[:]
    site.ran.clear()
    return paths


# Comparing


def wanted(cell):
    """Return what has to come out, by the written table alone."""
    status, content_type, page, challenge, code = table.expected(*cell[:2], cell.kind)
    change = table.cookie(cell.identity, cell.guard)
    return {
        "status": status,
        "ran": [cell.path] if status == 200 else [],
        "type": content_type,
        "told": _to_tell(cell, status, code),
        "location": page and (page, {"next": [cell.path + QUERY]}),
        "challenge": challenge,
        "vary": _vary(cell.guard),
        "cookie": change,
        "may be stored": code is None and page is None and change is None,
    }


def _vary(guard):
    if guard == "public":
        return []
    return ["Authorization", "Cookie"] if guard == "role_or_key" else ["Cookie"]


def _to_tell(cell, status, code):
    if status == 302 or ("client" in cell.server and KINDS[cell.kind].method == "HEAD"):
        return ""
    if status == 200:
        is_told = cell.guard != "public"
        return {"seen": table.SEEN[cell.identity] if is_told else None}
    if code is None:
        return OWN_403
    return {"type": "about:blank", "status": status, "code": code}


def found(answer, ran):
    """Return what came out, in the same words."""
    location = answer.header("location")
    if location is not None:
        page, _, query = location.partition("?")
        location = page, parse_qs(query)
    return {
        "status": answer.status,
        "ran": ran,
        "type": answer.header("content-type"),
        "told": _told(answer),
        "location": location,
        "challenge": answer.header("www-authenticate"),
        "vary": sorted(filter(None, (answer.header("vary") or "").split(", "))),
        "cookie": _cookie_change(answer),
        "may be stored": "no-store" not in (answer.header("cache-control") or ""),
    }


def _told(answer):
    """Return the body; of problem details what programs read."""
    kind = answer.header("content-type")
    if not answer.body or kind == table.PAGE:
        return answer.body.decode()
    content = answer.json()
    if kind == table.PROBLEM:
        assert content.pop("title")
        assert content.pop("detail")
    return content


def _cookie_change(answer):
    """Return what the answer does to cookies, None for nothing."""
    if not answer.set_cookies:
        return None
    assert all(line.startswith(f"{NAME}=") for line in answer.set_cookies)
    if deletes(answer):
        return "deleted"
    assert len(answer.set_cookies) == 1
    return "sealed" if sent(answer).rejection is None else "broken"


def differences(visits, *, apart_from=()):
    """Return each cell where the outcome differs, with what differs."""
    wrong = {}
    for cell, answer, ran in visits:
        want, have = wanted(cell), found(answer, ran)
        wrong[cell] = {
            name: f"{have[name]!r} instead of {want[name]!r}"
            for name in want
            if have[name] != want[name] and name not in apart_from
        }
    return {cell: what for cell, what in wrong.items() if what}
