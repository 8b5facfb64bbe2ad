from __future__ import annotations

from datetime import timedelta

from django import forms
from django.core.exceptions import ValidationError

from testproject.api_keys.scopes import SCOPES

LIFETIMES = [(1, "a day"), (30, "30 days"), (365, "a year"), (0, "for ever")]


def lifetime_of(days: str) -> timedelta | None:
    """Return how long a key is to live, None for one without an end."""
    return timedelta(days=int(days)) if int(days) else None


class KeyForm(forms.Form):
    """What people choose of a new key; for whom it acts, the session says."""

    name = forms.CharField(max_length=100)
    scopes = forms.MultipleChoiceField(
        choices=SCOPES, required=False, widget=forms.CheckboxSelectMultiple
    )
    lifetime = forms.TypedChoiceField(
        choices=LIFETIMES, coerce=lifetime_of, empty_value=None
    )

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if not name.isprintable():
            raise ValidationError("Use characters that can be seen.")
        return name
