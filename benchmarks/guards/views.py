"""Views that want a log-in, Django's way and ours, each sync and async."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views import View

from benchmarks.guards.project import KEY
from django_secure_session import AuthenticatedMixin, any_of, authenticated, authorized


def read(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.session[KEY])


async def aread(request: HttpRequest) -> HttpResponse:
    return HttpResponse(await request.session.aget(KEY))


@login_required
def user(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{request.user.pk} {request.user.username}")


@login_required
async def auser(request: HttpRequest) -> HttpResponse:
    user = await request.auser()
    return HttpResponse(f"{user.pk} {user.username}")


def account(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{request.account.id} {request.account.role}")


async def aaccount(request: HttpRequest) -> HttpResponse:
    account = await request.aaccount()
    return HttpResponse(f"{account.id} {account.role}")


def inside(request: HttpRequest) -> HttpResponse:
    account = request.authenticated()
    return HttpResponse(f"{account.id} {account.role}")


async def ainside(request: HttpRequest) -> HttpResponse:
    account = await request.aauthenticated()
    return HttpResponse(f"{account.id} {account.role}")


class Read(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return read(request)


class AsyncRead(View):
    async def get(self, request: HttpRequest) -> HttpResponse:
        return await aread(request)


class Account(AuthenticatedMixin, View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return account(request)


class AsyncAccount(AuthenticatedMixin, View):
    async def get(self, request: HttpRequest) -> HttpResponse:
        return await aaccount(request)


narrow = authenticated(roles=["user", "staff"], fresh=timedelta(hours=1))
either = any_of(authenticated, authorized(scopes=["read"]))

urlpatterns = [
    path("user/", user),
    path("read/", read),
    path("guarded-read/", authenticated(read)),
    path("account/", account),
    path("guarded/", authenticated(account)),
    path("narrow/", narrow(account)),
    path("any_of/", either(account)),
    path("inside/", inside),
    path("class-read/", Read.as_view()),
    path("class/", Account.as_view()),
    path("async/user/", auser),
    path("async/read/", aread),
    path("async/guarded-read/", authenticated(aread)),
    path("async/account/", aaccount),
    path("async/guarded/", authenticated(aaccount)),
    path("async/narrow/", narrow(aaccount)),
    path("async/any_of/", either(aaccount)),
    path("async/inside/", ainside),
    path("async/class-read/", AsyncRead.as_view()),
    path("async/class/", AsyncAccount.as_view()),
]
