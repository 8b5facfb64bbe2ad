from __future__ import annotations

from django import forms

from testproject.shop.cart import MAX_QUANTITY


class QuantityForm(forms.Form):
    """How many of one product; 0 removes it."""

    quantity = forms.IntegerField(min_value=0, max_value=MAX_QUANTITY)
