from __future__ import annotations

from django.urls import path

from testproject.thief import views

app_name = "thief"
urlpatterns = [path("thief/", views.show, name="show")]
