from __future__ import annotations

from datetime import timedelta

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from django_secure_session import authenticated
from django_secure_session.api_keys.models import ApiKey, CreatedKey
from testproject.api_keys.curl import lines_for
from testproject.api_keys.forms import KeyForm

#: Whoever finds a browser logged in must not leave with a key.
JUST_NOW = timedelta(minutes=10)


@authenticated
@never_cache
@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """List one's own keys for the organisation that one acts for."""
    keys = [(key, lines_for(request, key)) for key in _own(request)]
    return render(request, "api_keys/list.html", {"keys": keys})


@authenticated(fresh=JUST_NOW)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    form = KeyForm(request.POST or None, initial={"lifetime": 30})
    if not form.is_valid():
        return render(request, "api_keys/new.html", {"form": form})
    created = ApiKey.objects.create_key(
        account_id=request.account.id,
        org_id=request.org.id if request.org else None,
        **form.cleaned_data,
    )
    return _shown_once(request, created)


@authenticated(fresh=JUST_NOW)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def rotate(request: HttpRequest, key_id: str) -> HttpResponse:
    """Make a successor; the key itself goes on for a week, to change over in."""
    key = get_object_or_404(_own(request), pk=key_id)
    if request.method != "POST":
        return render(request, "api_keys/rotate.html", {"key": key})
    try:
        created = key.rotate(overlap=timedelta(days=7))
    except ValueError as error:
        messages.error(request, str(error))
        return redirect("api_keys:list")
    return _shown_once(request, created, old=key)


@authenticated
@require_POST
def revoke(request: HttpRequest, key_id: str) -> HttpResponse:
    """End a key; that asks for no password, since it may have to be quick."""
    key = get_object_or_404(_own(request), pk=key_id)
    key.revoke()
    messages.success(request, f"{key.name} is revoked. It opens nothing any more.")
    return redirect("api_keys:list")


def _own(request: HttpRequest) -> QuerySet[ApiKey]:
    """Return the keys that are the account's, for the organisation it acts for.

    A key of anybody else is not there: 404, not 403, tells nobody which ids exist.
    """
    org_id = request.org.id if request.org else ""
    return ApiKey.objects.filter(account_id=request.account.id, org_id=org_id)


def _shown_once(
    request: HttpRequest, created: CreatedKey, old: ApiKey | None = None
) -> HttpResponse:
    """Show the key in this response: after a redirect it would have to be kept."""
    context = {
        "key": created.api_key,
        "text": created.text,
        "lines": lines_for(request, created.api_key, created.text),
        "old": old,
    }
    return render(request, "api_keys/created.html", context)
