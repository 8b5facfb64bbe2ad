from __future__ import annotations

from django.urls import path

from testproject.api import views

app_name = "api"
urlpatterns = [
    path("me/", views.me, name="me"),
    path("team/", views.team, name="team"),
    path("invoices/", views.Invoices.as_view(), name="invoices"),
    path("invoices/<int:number>/", views.invoice, name="invoice"),
    path("invoices/total/", views.total, name="total"),
]
