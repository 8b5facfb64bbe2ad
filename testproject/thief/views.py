from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from testproject.thief.bob import ensure_bob
from testproject.thief.theft import ENGINES, steal


@never_cache
@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """Have a cookie stolen under each engine, anew in each visit.

    It is bob's, of a log-in made for this. The visitor's own session has no part in it.
    """
    bob = ensure_bob()
    thefts = [steal(engine, bob, request.queries) for engine in ENGINES]
    return render(request, "thief/show.html", {"thefts": thefts})
