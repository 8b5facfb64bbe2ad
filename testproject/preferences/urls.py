from __future__ import annotations

from django.urls import path

from testproject.preferences import views

app_name = "preferences"
urlpatterns = [
    path("preferences/", views.edit, name="edit"),
    path("preferences/forget/", views.forget, name="forget"),
]
