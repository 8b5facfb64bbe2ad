from __future__ import annotations

from django.contrib import admin

from testproject.invoices.models import Invoice


@admin.register(Invoice)
class InvoiceAdmin(admin.ModelAdmin):
    list_display = ("__str__", "organisation", "total", "created")
    list_filter = ("organisation",)
