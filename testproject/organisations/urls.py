from __future__ import annotations

from django.urls import path

from testproject.organisations import views

app_name = "organisations"
urlpatterns = [
    path("organisations/", views.show, name="list"),
    path("organisations/switch/", views.switch, name="switch"),
]
