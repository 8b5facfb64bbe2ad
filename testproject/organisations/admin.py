from __future__ import annotations

from django.contrib import admin

from testproject.organisations.models import Membership, Organisation, Verification


class MembershipInline(admin.TabularInline):
    model = Membership
    extra = 0


@admin.register(Organisation)
class OrganisationAdmin(admin.ModelAdmin):
    """Organisations with their members, whose roles count on the site soon after."""

    inlines = (MembershipInline,)
    prepopulated_fields = {"slug": ["name"]}  # noqa: RUF012 as Django documents it


@admin.register(Verification)
class VerificationAdmin(admin.ModelAdmin):
    list_display = ("user", "at")
