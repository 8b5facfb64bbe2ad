"""The view, sync and async, and its URLs: read, write or leave alone the session."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path

#: What is read, what stands there and what is written. "lang" is in every session of
#: the realistic set; "cart_items" would be in the others.
KEY, BEFORE, AFTER = "lang", "en", "de"


def view(request: HttpRequest, action: str) -> HttpResponse:
    if action == "read":
        return HttpResponse(request.session[KEY])
    if action == "write":
        request.session[KEY] = AFTER
    return HttpResponse(AFTER)


async def aview(request: HttpRequest, action: str) -> HttpResponse:
    if action == "read":
        return HttpResponse(await request.session.aget(KEY))
    if action == "write":
        await request.session.aset(KEY, AFTER)
    return HttpResponse(AFTER)


urlpatterns = [path("<action>/", view), path("async/<action>/", aview)]
