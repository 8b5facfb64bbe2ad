from __future__ import annotations

from typing import ClassVar

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Sum
from django.urls import reverse

from testproject.organisations.models import Organisation


class InvoiceQuerySet(models.QuerySet["Invoice"]):
    def of(self, slug: str) -> InvoiceQuerySet:
        """Return the invoices of an organisation, which are no others' business."""
        return self.filter(organisation__slug=slug)

    async def asum(self) -> str:
        """Return what all of them come to."""
        found = await self.aaggregate(sum=Sum("total", default=0))
        return f"{found['sum']:.2f}"


class Invoice(models.Model):
    """What an organisation wants of a customer; its number is its id."""

    organisation = models.ForeignKey(
        Organisation, models.CASCADE, related_name="invoices"
    )
    customer = models.CharField(max_length=80)
    total = models.DecimalField(
        max_digits=8, decimal_places=2, validators=[MinValueValidator(0)]
    )
    created = models.DateTimeField(auto_now_add=True)

    objects = InvoiceQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return f"Invoice {self.pk} to {self.customer}"

    def get_absolute_url(self) -> str:
        return reverse("api:invoice", args=[self.pk])

    def as_json(self) -> dict[str, str | int]:
        return {
            "number": self.pk,
            "customer": self.customer,
            "total": f"{self.total:.2f}",
            "created": self.created.isoformat(timespec="seconds"),
        }
