from __future__ import annotations

from django.urls import path

from testproject.sizes import views

app_name = "sizes"
urlpatterns = [
    path("sizes/", views.show, name="show"),
    path("sizes/<slug:alias>/fill/", views.fill, name="fill"),
    path("sizes/<slug:alias>/empty/", views.empty, name="empty"),
]
