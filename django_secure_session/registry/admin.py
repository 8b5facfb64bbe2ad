"""The sessions of all people in Django's admin: found, looked at and ended."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import router
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from django_secure_session import conf
from django_secure_session.registry.many import end_many
from django_secure_session.registry.models import SessionRecord
from django_secure_session.registry.records import with_state
from django_secure_session.registry.states import (
    STATES,
    State,
    is_in,
    state_of,
)

SHOWN = (
    *("handle", "account_id", "alias", "state", "created", "last_seen", "expires"),
    *("revoked_at", "ip", "user_agent"),
)
DIGESTS = ("digest", "previous_digest", "adopted_digest")
DEVICE_LENGTH = 60  # characters of the browser's name in a list

LABELS: dict[State, Any] = {
    "ended": _("ended"),
    "expired": _("expired"),
    "active": _("active"),
}


class StateFilter(admin.SimpleListFilter):
    """Lists the sessions in a state."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the choices."""
        return [(state, LABELS[state]) for state in reversed(STATES)]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Return the sessions of the choice."""
        chosen = [state for state in STATES if state == self.value()]
        return queryset.filter(*(is_in(state, timezone.now()) for state in chosen))


class AliasFilter(admin.SimpleListFilter):
    """Lists one of the site's sessions. To ask the table for all would take time."""

    title = _("session")
    parameter_name = "alias"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the choices."""
        return [(alias, alias) for alias in conf.get_configs()]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Return the sessions of the choice."""
        return queryset.filter(alias=self.value()) if self.value() else queryset


@admin.register(SessionRecord)
class SessionRecordAdmin(admin.ModelAdmin):  # type: ignore[type-arg] # no [...] without stubs
    """Shows what is known of sessions, and ends them; makes and changes none."""

    actions = ("end",)
    fields = SHOWN
    readonly_fields = SHOWN
    list_display = (
        *("handle", "account_id", "alias", "ip", "device"),
        *("created", "last_seen", "expires", "state"),
    )
    list_filter = (StateFilter, AliasFilter)
    # Exact, for what is found may be ended: 7 is not to find the sessions of 17.
    search_fields = ("account_id__exact", "handle__exact", "ip__exact")
    search_help_text = _("A whole account, handle or IP address.")
    show_full_result_count = False  # to count a million rows twice takes its time

    def get_queryset(self, request: HttpRequest) -> QuerySet[SessionRecord]:
        """Leave out the digests: no page has a use for them."""
        rows = super().get_queryset(request).using(router.db_for_write(SessionRecord))
        return with_state(rows).defer(*DIGESTS)

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Refuse to list by digest, which would tell it letter by letter."""
        is_told = lookup.partition("__")[0] in SHOWN
        return is_told and super().lookup_allowed(lookup, value, request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Let people log in for that."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let nobody delete rows; `prunesessions` does, in time.

        A session without a row that is older than the registry counts as not yet
        adopted: without its row one that has ended would live again.
        """
        return False

    @admin.display(description=_("browser"))
    def device(self, row: SessionRecord) -> str:
        """Return the beginning of what the browser calls itself."""
        return Truncator(row.user_agent).chars(DEVICE_LENGTH)

    @admin.display(description=_("state"))
    def state(self, row: SessionRecord) -> str:
        """Return what has become of a session."""
        return str(LABELS[state_of(row, timezone.now())])

    # The page of one

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Offer to end a session; there is nothing to save."""
        row = kwargs["obj"]
        has_ended = state_of(row, timezone.now()) == "ended"
        context |= {
            "show_save": False,
            "show_save_and_continue": False,
            "may_end": not has_ended and self.has_change_permission(request, row),
        }
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: Any
    ) -> None:
        """Write nothing: the session may have ended since the row was read."""

    # Ending

    @admin.action(permissions=["change"], description=_("End the selected sessions"))
    def end(self, request: HttpRequest, queryset: QuerySet[SessionRecord]) -> None:
        """End sessions for good; one's own may be among them."""
        who: Any = request.user.pk

        def note(rows: list[SessionRecord]) -> None:
            LogEntry.objects.log_actions(who, rows, CHANGE, "Ended.")

        count = end_many(queryset, note)
        text = ngettext("%d session was ended.", "%d sessions were ended.", count)
        self.message_user(request, text % count, messages.SUCCESS)
