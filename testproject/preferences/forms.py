from __future__ import annotations

from django import forms

THEMES = [("auto", "As this device"), ("light", "Light"), ("dark", "Dark")]
PER_PAGE = [(2, "2"), (4, "4"), (6, "6")]


class PreferencesForm(forms.Form):
    """How the site looks to one visitor."""

    theme = forms.ChoiceField(choices=THEMES, widget=forms.RadioSelect)
    per_page = forms.TypedChoiceField(
        choices=PER_PAGE, coerce=int, label="Products on a page"
    )
