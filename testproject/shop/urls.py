from __future__ import annotations

from django.urls import path

from testproject.shop import views

app_name = "shop"
urlpatterns = [
    path("shop/", views.show_products, name="products"),
    path("cart/", views.show_cart, name="cart"),
    path("cart/<slug:slug>/add/", views.add_product, name="add"),
    path("cart/<slug:slug>/change/", views.change_quantity, name="change"),
]
