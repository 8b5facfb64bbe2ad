from __future__ import annotations

import json

from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.middleware.csrf import get_token


def untouched(request):
    return HttpResponse("ok")


def read(request):
    return JsonResponse(dict(request.session.items()))


async def aread(request):
    return JsonResponse(dict(await request.session.aitems()))


def write(request):
    request.session.update(json.loads(request.GET["data"]))
    return HttpResponse("ok")


async def awrite(request):
    await request.session.aupdate(json.loads(request.GET["data"]))
    return HttpResponse("ok")


def call(request):
    """Call the session's methods that the query names, in order."""
    for name in request.GET["methods"].split(","):
        getattr(request.session, name)()
    return HttpResponse("ok")


async def acall(request):
    for name in request.GET["methods"].split(","):
        await getattr(request.session, f"a{name}")()
    return HttpResponse("ok")


def write_then_500(request):
    request.session["x"] = 1
    return HttpResponse(status=500)


def crash(request):
    """Fail with the session in use, so that the debug page has much to show."""
    session = request.session
    session["crash"] = True
    raise RuntimeError("a view failed")


def too_large(request):
    request.session["big"] = "value " * 1000
    return HttpResponse("ok")


def unserializable(request):
    request.session["object"] = object()
    return HttpResponse("ok")


def add_message(request):
    messages.info(request, "Saved.")
    return HttpResponse("ok")


def show_messages(request):
    return JsonResponse([str(m) for m in messages.get_messages(request)], safe=False)


def csrf_token(request):
    return HttpResponse(get_token(request))


def user(request):
    return HttpResponse(str(request.user))


async def auser(request):
    return HttpResponse(str(await request.auser()))
