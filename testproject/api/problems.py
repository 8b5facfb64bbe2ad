"""Errors of the API, in the form that the guards have too (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus

from django.http import JsonResponse


def problem(status: HTTPStatus, code: str, detail: str, **more: object) -> JsonResponse:
    content = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
        "code": code,
        **more,
    }
    return JsonResponse(content, status=status, content_type="application/problem+json")
