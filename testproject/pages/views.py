from __future__ import annotations

import json
from typing import Any

from asgiref.sync import sync_to_async
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from testproject.inspection import inspect, user_of
from testproject.pages.parts import cut
from testproject.users import DEMO_PASSWORD, DEMO_USERS

LONGEST_SHOWN = 64  # characters of a value


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    context = {
        "demo_users": DEMO_USERS,
        "demo_password": DEMO_PASSWORD,
        "admin_user": user_of(request.admin_session),
    }
    return render(request, "pages/home.html", context)


@require_safe
def cookies(request: HttpRequest, alias: str = "default") -> HttpResponse:
    """Show the cookies as they came, and the sessions that the server reads from them.

    It only reads, so it sets no cookie. A real site shows neither to anyone.
    """
    sessions = inspect(request)
    if alias not in sessions:
        raise Http404("There is no such session.")
    shown = sessions[alias]
    context = {
        "sessions": sessions.values(),
        "shown": shown,
        "parts": cut(shown.token),
        "percent": round(100 * shown.size / shown.limit),
        "data": _readable(shown.session.data()),
        "claims": _readable(shown.account.claims if shown.account else {}),
    }
    return render(request, "pages/cookies.html", context)


def _readable(data: dict[str, Any]) -> str:
    return json.dumps(
        {key: _shortened(value) for key, value in data.items()},
        indent=2,
        ensure_ascii=False,
    )


def _shortened(value: object) -> object:
    if isinstance(value, str) and len(value) > LONGEST_SHOWN:
        return f"{value[:LONGEST_SHOWN]}… ({len(value)} characters)"
    return value


@require_safe
async def visits(request: HttpRequest) -> HttpResponse:
    """Count visits without a thread, unless a store has to be asked.

    The registry is, where somebody is logged in, and the cache for a large session.
    Only the template is rendered in a thread, since it asks who is logged in.
    """
    count = await request.session.aget("visits", 0) + 1
    await request.session.aset("visits", count)
    return await sync_to_async(render)(request, "pages/visits.html", {"count": count})
