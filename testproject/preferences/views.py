from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from testproject.preferences.context import preferences
from testproject.preferences.forms import PreferencesForm


def edit(request: HttpRequest) -> HttpResponse:
    form = PreferencesForm(
        request.POST or None, initial=preferences(request)["preferences"]
    )
    if form.is_valid():
        request.prefs_session.update(form.cleaned_data)
        messages.success(request, "Your preferences are saved.")
        return redirect("preferences:edit")
    return render(request, "preferences/edit.html", {"form": form})


@require_POST
def forget(request: HttpRequest) -> HttpResponse:
    """End this session; the log-in is in another one and stays."""
    request.prefs_session.flush()
    messages.success(request, "Your preferences are forgotten.")
    return redirect("preferences:edit")
