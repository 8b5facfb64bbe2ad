from __future__ import annotations

from typing import ClassVar

from django import forms

from testproject.invoices.models import Invoice


class InvoiceForm(forms.ModelForm):
    """What a program says of a new invoice; whose it is, its key says."""

    class Meta:
        model = Invoice
        fields: ClassVar = ["customer", "total"]
