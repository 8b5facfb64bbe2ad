"""The cart: a dict of quantities by product slug, under one key of the session."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest

from testproject.shop.models import Product

SESSION_NAME = "cart"
MAX_QUANTITY = 99


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """So many of one product."""

    product: Product
    quantity: int

    @property
    def price(self) -> Decimal:
        return self.product.price * self.quantity


class Cart:
    """The cart of one session. It reads nothing until asked, and writes whole dicts.

    Only slugs and numbers are kept, never prices or names: those belong to the
    database, and a cookie is small.
    """

    def __init__(self, session: SessionBase) -> None:
        self._session = session

    def quantities(self) -> dict[str, int]:
        return dict(self._session.get(SESSION_NAME, {}))

    def count(self) -> int:
        return sum(self.quantities().values())

    def lines(self) -> list[Line]:
        """Return a line for each product that is still sold."""
        quantities = self.quantities()
        return [
            Line(product=product, quantity=quantities[product.slug])
            for product in Product.objects.filter(slug__in=quantities)
        ]

    def add(self, product: Product) -> None:
        self.set(product, self.quantities().get(product.slug, 0) + 1)

    def set(self, product: Product, quantity: int) -> None:
        """Have this many of a product; none removes it."""
        quantities = self.quantities()
        quantities[product.slug] = min(quantity, MAX_QUANTITY)
        if quantity < 1:
            del quantities[product.slug]
        # A new dict: the session sees no change inside the one that it holds.
        self._session[SESSION_NAME] = quantities


def cart(request: HttpRequest) -> dict[str, Cart]:
    """Give every template the cart, of which the navigation shows the count."""
    return {"cart": Cart(request.session)}
