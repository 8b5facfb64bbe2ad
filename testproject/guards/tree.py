"""URLs without a guard of their own: the whole tree has one where it is included."""

from __future__ import annotations

from django.urls import path

from testproject.guards import views

urlpatterns = [
    path("", views.tree, name="tree"),
    path("deeper/", views.tree, name="tree-deeper"),
]
