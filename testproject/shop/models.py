from __future__ import annotations

from typing import ClassVar

from django.db import models


class Product(models.Model):
    """Something to put into the cart, where its slug stands for it."""

    name = models.CharField(max_length=80)
    slug = models.SlugField(unique=True)
    description = models.CharField(max_length=200)
    price = models.DecimalField(max_digits=6, decimal_places=2)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name
