"""A page where people prove again who they are, for guards with ``fresh``.

For sites with ``django.contrib.auth``; others call ``accounts.reauthenticate()`` in a
view of their own, and name that in REAUTHENTICATE_URL.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth import HASH_SESSION_KEY, get_user
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters

from django_secure_session.accounts import reauthenticate
from django_secure_session.mixins import AuthenticatedMixin


class ReauthenticationForm(AuthenticationForm):
    """Asks whoever is logged in for the password again."""

    error_messages = {  # noqa: RUF012 # as Django's forms have it
        **AuthenticationForm.error_messages,
        "invalid_login": _("That is not your password. It is case-sensitive."),
    }

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        del self.fields["username"]
        self.fields["password"].widget.attrs["autofocus"] = True

    def clean(self) -> dict[str, Any]:
        """Check the password by the site's authentication backends."""
        # The session's user, whose account is to be fresh. Others may set request.user.
        user: Any = get_user(self.request) if self.request else AnonymousUser()
        # Looked up now: checking the password may change the hash that is looked up by.
        bool(getattr(self.request, "user", None))
        self.cleaned_data["username"] = user.get_username()
        cleaned: dict[str, Any] = super().clean()
        if self.user_cache != user:
            raise self.get_invalid_login_error()
        return cleaned


class ReauthenticateView(AuthenticatedMixin, LoginView):
    """Asks for the password and goes on to ``next``.

    With the attributes of Django's ``LoginView``. The page is
    ``secure_session/reauthenticate.html``.
    """

    authentication_form = ReauthenticationForm
    template_name = "secure_session/reauthenticate.html"
    #: That guards with ``fresh`` send people here, where the site names no other page.
    confirms_who_it_is = True

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        """Return the view. Even if its guard fails, reports hide the password."""
        return sensitive_post_parameters()(super().as_view(**initkwargs))

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Show the page to whoever is logged in: nobody else comes here."""
        super().setup(request, *args, **kwargs)
        self.redirect_authenticated_user = False

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Note that the account has proved itself, under a new sid."""
        # Checking the password may have hashed it anew, which ends every session.
        user = form.get_user()
        if user is not None:  # a form of the site's own may ask for something else
            self.request.session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        reauthenticate(self.request)
        return HttpResponseRedirect(self.get_success_url())
