"""What ``manage.py seed`` makes of this app."""

from __future__ import annotations

from testproject.invoices.models import Invoice
from testproject.organisations.models import Organisation

INVOICES = [
    ("seal-and-sons", "Charles Babbage", "27.30"),
    ("seal-and-sons", "Mary Somerville", "14.00"),
    ("post-office", "Rowland Hill", "0.01"),
]


def ensure_invoices() -> None:
    """Give organisations that have no invoice their first."""
    if Invoice.objects.exists():
        return
    for slug, customer, total in INVOICES:
        organisation = Organisation.objects.get(slug=slug)
        Invoice.objects.create(
            organisation=organisation, customer=customer, total=total
        )
