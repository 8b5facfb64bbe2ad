from __future__ import annotations

from django.contrib import admin
from django.urls import path

from tests.browser import views

NAMES = [
    "write",
    "read",
    "flush",
    "log-in",
    "log-out",
    "who",
    "echo",
    "set-cookie",
    "set-plain",
    "frame",
]

urlpatterns = [
    path("admin/", admin.site.urls),
    *(path(f"{name}/", getattr(views, name.replace("-", "_"))) for name in NAMES),
]
