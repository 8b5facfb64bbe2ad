from __future__ import annotations

from django.contrib import admin
from django.contrib.auth import views as auth_views
from django.urls import path

from tests import views

NAMES = [
    "untouched",
    "read",
    "aread",
    "write",
    "awrite",
    "call",
    "acall",
    "write_then_500",
    "crash",
    "too_large",
    "unserializable",
    "add_message",
    "show_messages",
    "csrf_token",
    "user",
    "auser",
]

urlpatterns = [
    path("admin/", admin.site.urls),
    path("login/", auth_views.LoginView.as_view(template_name="admin/login.html")),
    path("logout/", auth_views.LogoutView.as_view(next_page="/user/")),
    *(path(f"{name}/", getattr(views, name), name=name) for name in NAMES),
]
