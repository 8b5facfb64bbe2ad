from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from django_secure_session import authenticated, switch_org


@authenticated
@never_cache  # after log-out the back button shows none of it
@require_safe
def show(request: HttpRequest) -> HttpResponse:
    return render(request, "organisations/list.html")


@authenticated
@require_POST
def switch(request: HttpRequest) -> HttpResponse:
    """Act for the organisation that was chosen, or for none.

    Whoever is no member gets the page for 403: the provider's get_org() says so.
    """
    switch_org(request, request.POST.get("organisation") or None)
    acts_for = f"for {request.org.id}" if request.org else "for no organisation"
    messages.success(request, f"You act {acts_for} now, as {request.account.role}.")
    return redirect(_way_back(request))


def _way_back(request: HttpRequest) -> str:
    url = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(url, {request.get_host()}):
        return url
    return reverse("organisations:list")
