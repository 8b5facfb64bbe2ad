from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.utils.crypto import get_random_string
from django.views.decorators.http import require_POST, require_safe

from django_secure_session import SessionTooLarge
from django_secure_session.backends.encrypted_cookies import SessionStore
from testproject.inspection import inspect
from testproject.sizes.forms import SIZES, SizeForm

SESSION_NAME = "filling"


@require_safe
def show(request: HttpRequest) -> HttpResponse:
    sessions = inspect(request)
    context = {"sessions": [sessions["default"], sessions["chunked"]], "sizes": SIZES}
    return render(request, "sizes/show.html", context)


@require_POST
def fill(request: HttpRequest, alias: str) -> HttpResponse:
    """Put so many random bytes into a session, or say that it can't hold them."""
    session = _session(request, alias)
    form = SizeForm(request.POST)
    if not form.is_valid():
        return HttpResponseBadRequest("Choose one of the sizes.")
    session[SESSION_NAME] = get_random_string(form.cleaned_data["size"])
    try:
        # The middleware would save it after the view, where nobody can catch the error.
        session.save()
    except SessionTooLarge as error:
        session.reload()
        return render(request, "sizes/too_large.html", {"error": error}, status=413)
    return redirect("sizes:show")


@require_POST
def empty(request: HttpRequest, alias: str) -> HttpResponse:
    _session(request, alias).pop(SESSION_NAME, None)
    return redirect("sizes:show")


def _session(request: HttpRequest, alias: str) -> SessionStore:
    sessions = {"default": request.session, "chunked": request.chunked_session}
    if alias not in sessions:
        raise Http404("There is no such session.")
    return sessions[alias]
