from __future__ import annotations

from typing import NamedTuple

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.timesince import timesince
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from django_secure_session import authenticated, conf
from django_secure_session.registry import (
    active_sessions,
    current_handle,
    revoke,
    revoke_others,
)
from django_secure_session.registry.models import SessionRecord
from testproject.log_ins.user_agents import in_words

MINUTE = 60  # seconds


class Shown(NamedTuple):
    """What the page tells of a session: nothing in it opens one."""

    record: SessionRecord
    device: str
    seen: str
    is_this: bool
    is_of_this_browser: bool


@authenticated
@never_cache
@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """List where the account is logged in, this session first."""
    own, here = current_handle(request), _handles_of_browser(request)
    records = [*active_sessions(request.account.id)]
    shown = [
        Shown(
            each, in_words(each.user_agent), _ago(each), each.pk == own, each.pk in here
        )
        for each in records
    ]
    shown.sort(key=lambda each: not each.is_this)
    context = {
        "shown": shown,
        "max_staleness": conf.get_config().revocation_max_staleness,
    }
    return render(request, "log_ins/list.html", context)


@authenticated
@require_POST
def end(request: HttpRequest, handle: str) -> HttpResponse:
    """End another session; that asks for no password, since it may have to be quick."""
    record = get_object_or_404(_others(request), pk=handle)
    revoke(handle, account_id=request.account.id)
    messages.success(request, f"{in_words(record.user_agent)} is logged out.")
    return redirect("log_ins:list")


@authenticated
@require_POST
def end_others(request: HttpRequest) -> HttpResponse:
    revoke_others(request)
    messages.success(request, "You are logged in here only.")
    return redirect("log_ins:list")


def _others(request: HttpRequest) -> QuerySet[SessionRecord]:
    """Return the account's sessions but for this one, which has the log-out.

    One of anybody else is not there: 404, not 403, tells nobody which handles exist.
    """
    return active_sessions(request.account.id).exclude(pk=current_handle(request))


def _handles_of_browser(request: HttpRequest) -> set[str]:
    """Return the handles of all log-ins of this browser: the admin's is another."""
    sessions = [
        getattr(request, each.attribute) for each in conf.get_configs().values()
    ]
    found = [session.registration for session in sessions]
    return {registration.handle for registration in found if registration}


def _ago(record: SessionRecord) -> str:
    seconds = (timezone.now() - record.last_seen).total_seconds()
    return (
        "just now"
        if seconds < MINUTE
        else f"{timesince(record.last_seen, depth=1)} ago"
    )
