from __future__ import annotations

from django.contrib import admin

from testproject.shop.models import Product


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    list_display = ("name", "price", "slug")
    prepopulated_fields = {"slug": ["name"]}  # noqa: RUF012 as Django documents it
