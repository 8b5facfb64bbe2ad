from __future__ import annotations

from django.urls import include, path

from django_secure_session import authenticated
from testproject.guards import views

app_name = "guards"
urlpatterns = [
    path("guards/", views.show, name="list"),
    path("guards/log-in/", views.logged_in, name="log-in"),
    path("guards/roles/", views.team, name="roles"),
    path("guards/verified/", views.verified, name="verified"),
    path("guards/org/", views.org, name="org"),
    path("guards/fresh/", views.fresh, name="fresh"),
    path("guards/any-of/", views.either, name="any-of"),
    path("guards/public/", views.everybody, name="public"),
    path("guards/class/", views.Report.as_view(), name="class"),
    path("guards/async/", views.asynchronous, name="async"),
    path("guards/inside/", views.prices, name="inside"),
    path(
        "guards/tree/",
        authenticated(roles=["owner"])(include("testproject.guards.tree")),
    ),
    path("guards/make-old/", views.make_old, name="make-old"),
]
