"""The forms of the admin."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_secure_session.api_keys.managers import CreatedKey, checked_scopes
from django_secure_session.api_keys.models import MAX_OVERLAP, ApiKey
from django_secure_session.api_keys.tokens import ENVIRONMENT

NEVER = "never"
LIFETIMES = (
    ("7", _("7 days")),
    ("30", _("30 days")),
    ("90", _("90 days")),
    ("365", _("365 days")),
    ("730", _("730 days")),
    (NEVER, _("for ever")),
)


def _lifetime(choice: str) -> timedelta | None:
    return None if choice == NEVER else timedelta(days=int(choice))


def _refuse_unprintable(text: str) -> None:
    if not text.isprintable():
        raise ValidationError(_("Leave out characters that can't be seen."))


class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg] # no [...] without stubs
    """Asks what a new key is for, and refuses an owner that nobody would let in."""

    scopes = forms.CharField(
        label=_("Scopes"),
        required=False,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text=_(
            "What the key may do, with spaces between: invoices:read invoices:write. "
            "Without any it passes only guards that ask for none."
        ),
    )
    lifetime = forms.TypedChoiceField(
        label=_("Good for"), choices=LIFETIMES, coerce=_lifetime, initial="365"
    )

    class Meta:
        """In the order in which one thinks of it."""

        model = ApiKey
        fields = ("name", "account_id", "org_id", "env")
        help_texts = {  # noqa: RUF012 # as Django's forms have it
            "name": _("What it is used for, and where."),
            "account_id": _(
                "The id of the account that the key acts as, whoever makes it: who may "
                "add API keys can act as anybody here."
            ),
            "org_id": _("The id of the organisation it acts for, or nothing."),
            "env": _("A part of the key's text, such as live or test: a-z and 0-9."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("name", "account_id", "org_id"):
            self.fields[name].validators.append(_refuse_unprintable)
        whole = RegexValidator(rf"\A(?:{ENVIRONMENT.pattern})\Z")
        self.fields["env"].validators.append(whole)

    def clean_scopes(self) -> list[str]:
        """Return the scopes as the table has them."""
        try:
            return checked_scopes(self.cleaned_data["scopes"].split())
        except ValueError as error:
            raise ValidationError(str(error)) from None

    def clean(self) -> None:
        """Ask the site's provider for the owner."""
        super().clean()
        if self.errors:
            return
        asked = self.cleaned_data
        # Imported late: the admin imports this at the start, and with a broken key that
        # raises.
        from django_secure_session.api_keys.owners import objection

        if refused := objection(asked["account_id"], asked["org_id"] or None):
            self.add_error(refused.field, refused.text)

    def create(self) -> CreatedKey:
        """Make the key."""
        asked = self.cleaned_data
        return ApiKey.objects.create_key(
            name=asked["name"],
            account_id=asked["account_id"],
            org_id=asked["org_id"] or None,
            scopes=asked["scopes"],
            lifetime=asked["lifetime"],
            env=asked["env"],
        )


class RotationForm(forms.Form):
    """Asks how long an old key goes on beside its successor."""

    days = forms.IntegerField(
        label=_("Days in which the old key stays good"),
        min_value=0,
        max_value=MAX_OVERLAP.days,
        initial=7,
    )

    def rotate(self, key: ApiKey) -> CreatedKey:
        """Make the successor. Raise ValueError, with a reason that people can read."""
        if not self.is_valid():
            raise ValueError(gettext("The days are a number from 0 to 365."))
        return key.rotate(timedelta(days=self.cleaned_data["days"]))
