"""API keys in Django's admin. A key is shown once, in the answer to making it."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import router, transaction
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from django_secure_session.api_keys.forms import ApiKeyForm, RotationForm
from django_secure_session.api_keys.managers import ApiKeyQuerySet, CreatedKey
from django_secure_session.api_keys.models import ApiKey
from django_secure_session.api_keys.states import STATES, State, is_in, state_of

#: Where the object of a form keeps its key until it is shown. Its repr has no key.
CREATED = "_secure_session_created"
ASKED = ("name", "account_id", "org_id", "scopes", "lifetime", "env")
SHOWN = (
    *("name", "id", "env", "account_id", "org_id", "scope_list", "state"),
    *("created", "expires", "revoked_at", "last_used_at", "successor"),
)
TEMPLATE = "admin/secure_session_api_keys/apikey/created.html"
FEW = 20  # organisations that a filter lists

LABELS: dict[State, Any] = {
    "revoked": _("revoked"),
    "expired": _("expired"),
    "rotated": _("rotated"),
    "expiring": _("expiring"),
    "active": _("active"),
}


class StateFilter(admin.SimpleListFilter):
    """Lists the keys in a state."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the choices."""
        return [(state, LABELS[state]) for state in reversed(STATES)]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Return the keys of the choice."""
        chosen = [state for state in STATES if state == self.value()]
        return queryset.filter(*(is_in(state, timezone.now()) for state in chosen))


@admin.register(ApiKey)
class ApiKeyAdmin(admin.ModelAdmin):  # type: ignore[type-arg] # no [...] without stubs
    """Makes keys, shows what is known of them, and ends them; changes none."""

    actions = ("revoke",)
    list_display = (
        *("name", "id", "account_id", "org_id", "scope_list", "state"),
        *("created", "expires", "last_used_at"),
    )
    search_fields = ("id", "name", "account_id", "org_id")
    search_help_text = _("By id, name, account or organisation; never by the key.")

    def get_queryset(self, request: HttpRequest) -> ApiKeyQuerySet:
        """Leave out the digests: no page has a use for them."""
        return cast(ApiKeyQuerySet, super().get_queryset(request).defer("digest"))

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Refuse to list by digest, which would tell it letter by letter."""
        is_told = lookup.startswith("digest")
        return not is_told and super().lookup_allowed(lookup, value, request)

    def get_list_filter(self, request: HttpRequest) -> tuple[Any, ...]:
        """Offer the organisations where they are few."""
        orgs = self.get_queryset(request).order_by().values("org_id").distinct()
        few = len(orgs[: FEW + 1]) <= FEW
        return (StateFilter, "env", *(["org_id"] if few else []))

    @admin.display(description=_("scopes"))
    def scope_list(self, key: ApiKey) -> str:
        """Return what a key may do."""
        return " ".join(sorted(key.scope_set))

    @admin.display(description=_("state"))
    def state(self, key: ApiKey) -> str:
        """Return what has become of a key."""
        return str(LABELS[state_of(key, timezone.now())])

    # Pages

    def get_urls(self) -> list[URLPattern]:
        """Add the one for a successor."""
        view = self.admin_site.admin_view(self.rotate_view)
        name = f"{self.opts.app_label}_{self.opts.model_name}_rotate"
        own = path("<str:object_id>/rotate/", view, name=name)
        return [own, *super().get_urls()]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Ask for what a new key needs; show what an old one has."""
        return ASKED if obj is None else SHOWN

    def get_readonly_fields(
        self, request: HttpRequest, obj: Any = None
    ) -> tuple[str, ...]:
        """Let nobody change a key that others rely on."""
        return () if obj is None else SHOWN

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Return the form for a new key, or an empty one."""
        form = ApiKeyForm if obj is None else ModelForm
        return super().get_form(request, obj, change, **{"form": form, **kwargs})

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Offer what can be done with a key; there is nothing to save of an old one."""
        key = kwargs.get("obj")
        context |= {
            "show_save": key is None,
            "show_save_and_add_another": False,
            "show_save_and_continue": False,
            **(self._offers(request, key) if key else {}),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def _offers(self, request: HttpRequest, key: ApiKey) -> dict[str, Any]:
        state = state_of(key, timezone.now())
        is_whole = state in ("active", "expiring")
        may_rotate = is_whole and self._may_rotate(request, key)
        may_revoke = self.has_change_permission(request, key)
        return {
            "rotation": RotationForm() if may_rotate else None,
            "rotate_url": self._url("rotate", key.pk),
            "revoke_url": self._url("changelist"),
            "may_revoke": may_revoke and key.revoked_at is None,
        }

    # New keys

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: Any
    ) -> None:
        """Make a key. Nothing of an old one is written: it may be revoked meanwhile."""
        if not change:
            created = form.create()
            vars(obj).update(vars(created.api_key), **{CREATED: created})

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the key, this once."""
        return self._show(request, vars(obj).pop(CREATED))

    @method_decorator(require_POST)
    def rotate_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Make a key's successor and show it, this once."""
        key = self.get_object(request, object_id)
        if not self._may_rotate(request, key):
            raise PermissionDenied
        if key is None:
            raise Http404
        with transaction.atomic(using=router.db_for_write(ApiKey)):
            try:
                created = RotationForm(request.POST).rotate(key)
            except ValueError as refused:
                self.message_user(request, str(refused), messages.ERROR)
                return redirect(self._url("change", key.pk))
            new = created.api_key
            self.log_addition(request, new, f"Made to succeed {key}.")
            self.log_change(request, key, f"Rotated. The successor is {new}.")
            return self._show(request, created)

    def _show(self, request: HttpRequest, created: CreatedKey) -> HttpResponse:
        """Return the page with a key, which exists only if this page is made.

        No redirect, and no message: those are kept somewhere until they are shown. The
        admin says of each of its pages that nothing may store it.
        """
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("This is the new API key"),
            "opts": self.opts,
            "created": created,
            "url": request.build_absolute_uri("/"),
            "may_view": self.has_view_permission(request, created.api_key),
        }
        response = render(request, TEMPLATE, context)
        response["Referrer-Policy"] = "same-origin"  # Django's CSRF check wants it
        return response

    # Ending

    @admin.action(permissions=["change"], description=_("Revoke selected keys"))
    def revoke(self, request: HttpRequest, queryset: ApiKeyQuerySet) -> None:
        """End keys for good."""
        with transaction.atomic(using=router.db_for_write(ApiKey)):
            for key in queryset.filter(revoked_at=None):
                self.log_change(request, key, "Revoked.")
            count = queryset.revoke()
        text = ngettext("%d API key was revoked.", "%d API keys were revoked.", count)
        self.message_user(request, text % count, messages.SUCCESS)

    def _may_rotate(self, request: HttpRequest, key: ApiKey | None) -> bool:
        """Tell whether somebody may make a key, and shorten the life of this one."""
        may_change = self.has_change_permission(request, key)
        return may_change and self.has_add_permission(request)

    def _url(self, page: str, *args: Any) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(name, args=args, current_app=self.admin_site.name)
