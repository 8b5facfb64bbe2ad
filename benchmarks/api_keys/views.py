"""The same view with a key of each kind, as the READMEs have it, and with none."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.urls import path
from knox.auth import TokenAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_api_key.permissions import HasAPIKey

from benchmarks.api_keys.project import (
    BEHIND_OURS,
    DRF,
    KEY_ONLY,
    KNOX,
    OURS,
    PLAIN,
    SCOPE,
    USER_ID,
)
from django_secure_session import authorized


@authorized(scopes=[SCOPE])
def ours(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"account": request.account.id})


@authorized(scopes=[SCOPE])
async def aours(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"account": (await request.aaccount()).id})


class Knox(APIView):
    authentication_classes = (TokenAuthentication,)
    permission_classes = (IsAuthenticated,)

    def get(self, request: Request) -> Response:
        return Response({"account": str(request.user.pk)})


class KeyOnly(APIView):
    permission_classes = (HasAPIKey,)

    def get(self, request: Request) -> Response:
        return Response({"account": str(USER_ID)})  # nobody knows whose key it is


class Everybody(APIView):
    authentication_classes = ()
    permission_classes = ()

    def get(self, request: Request) -> Response:
        return Response({"account": str(USER_ID)})


def everybody(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"account": str(USER_ID)})


async def aeverybody(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"account": str(USER_ID)})


# REST framework has no async views: those run in a thread under ASGI.
urlpatterns = [
    path(f"{prefix}{name}/", view)
    for name, sync, other in (
        (OURS, ours, aours),
        (PLAIN, everybody, aeverybody),
        (BEHIND_OURS, everybody, aeverybody),
        (KNOX, Knox.as_view(), Knox.as_view()),
        (KEY_ONLY, KeyOnly.as_view(), KeyOnly.as_view()),
        (DRF, Everybody.as_view(), Everybody.as_view()),
    )
    for prefix, view in (("", sync), ("async/", other))
]
