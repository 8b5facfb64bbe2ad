from __future__ import annotations

from django.urls import path

from testproject.api import views

app_name = "api"
urlpatterns = [
    path("me/", views.me, name="me"),
    path("team/", views.team, name="team"),
    path("invoices/", views.invoices, name="invoices"),
]
