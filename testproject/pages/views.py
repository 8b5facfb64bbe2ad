from __future__ import annotations

import json

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from testproject.pages.parts import cut
from testproject.users import DEMO_PASSWORD, DEMO_USERS

COOKIE_LIMIT = 4096  # bytes of name and value that every browser stores

REFUSALS = {
    "malformed": "It is no token of this engine: cut off, or from another site.",
    "unknown_version": "It is in a format that this release does not know.",
    "unknown_key": "It was sealed with a key that this site does not have.",
    "tampered": "It was changed after the server had sealed it.",
    "undecodable": "The seal is fine, but what is in it makes no session.",
    "expired": "It is too old.",
    "future": "It was sealed in the future: some clock is wrong.",
}


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    context = {"demo_users": DEMO_USERS, "demo_password": DEMO_PASSWORD}
    return render(request, "pages/home.html", context)


@require_safe
def cookie(request: HttpRequest) -> HttpResponse:
    """Show the cookie as it came, and the session that the server reads from it.

    It only reads, so it sets no cookie. A real site shows neither to anyone.
    """
    name = settings.SESSION_COOKIE_NAME
    token = request.COOKIES.get(name, "")
    size = len(name) + len(token)
    context = {
        "cookie_name": name,
        "token": token,
        "parts": cut(token),
        "size": size,
        "limit": COOKIE_LIMIT,
        "percent": round(100 * size / COOKIE_LIMIT),
        "session": request.session,
        "refusal": REFUSALS.get(request.session.rejection or ""),
        "data": json.dumps(request.session.data(), indent=2, ensure_ascii=False),
    }
    return render(request, "pages/cookie.html", context)


@require_safe
async def visits(request: HttpRequest) -> HttpResponse:
    """Count visits without a thread, a query or a wait: there is nothing to wait for.

    Only the template is rendered in a thread, since it asks who is logged in.
    """
    count = await request.session.aget("visits", 0) + 1
    await request.session.aset("visits", count)
    return await sync_to_async(render)(request, "pages/visits.html", {"count": count})
