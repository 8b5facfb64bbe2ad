from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from testproject.preferences.context import preferences
from testproject.shop.cart import MAX_QUANTITY, Cart
from testproject.shop.forms import QuantityForm
from testproject.shop.models import Product


@require_safe
def show_products(request: HttpRequest) -> HttpResponse:
    per_page = preferences(request)["preferences"]["per_page"]
    page = Paginator(Product.objects.all(), per_page).get_page(request.GET.get("page"))
    return render(request, "shop/products.html", {"page": page})


@require_safe
def show_cart(request: HttpRequest) -> HttpResponse:
    lines = Cart(request.session).lines()
    context = {
        "lines": lines,
        "total": sum(line.price for line in lines),
        "max_quantity": MAX_QUANTITY,
    }
    return render(request, "shop/cart.html", context)


@require_POST
def add_product(request: HttpRequest, slug: str) -> HttpResponse:
    product = get_object_or_404(Product, slug=slug)
    Cart(request.session).add(product)
    messages.success(request, f"{product} is in your cart.")
    return redirect("shop:products")


@require_POST
def change_quantity(request: HttpRequest, slug: str) -> HttpResponse:
    product = get_object_or_404(Product, slug=slug)
    form = QuantityForm(request.POST)
    if not form.is_valid():
        messages.error(request, f"Choose between 0 and {MAX_QUANTITY} of {product}.")
    else:
        quantity = form.cleaned_data["quantity"]
        Cart(request.session).set(product, quantity)
        messages.success(request, _changed(product, quantity))
    return redirect("shop:cart")


def _changed(product: Product, quantity: int) -> str:
    if quantity:
        return f"{product}: {quantity} in your cart."
    return f"{product} is out of your cart."
