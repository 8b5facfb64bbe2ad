from __future__ import annotations

from django.urls import path

from testproject.api_keys import views

app_name = "api_keys"
urlpatterns = [
    path("api-keys/", views.show, name="list"),
    path("api-keys/new/", views.create, name="create"),
    path("api-keys/<slug:key_id>/rotate/", views.rotate, name="rotate"),
    path("api-keys/<slug:key_id>/revoke/", views.revoke, name="revoke"),
]
