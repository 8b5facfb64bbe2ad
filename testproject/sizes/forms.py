from __future__ import annotations

from django import forms

SIZES = [
    (1_000, "1 kB"),
    (3_000, "3 kB"),
    (5_000, "5 kB"),
    (10_000, "10 kB"),
    (100_000, "100 kB"),
]


class SizeForm(forms.Form):
    """How many bytes to put into a session."""

    size = forms.TypedChoiceField(choices=SIZES, coerce=int)
