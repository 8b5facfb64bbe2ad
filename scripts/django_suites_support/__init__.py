"""The parts of ``scripts/django_suites.py``; some run inside Django's test runner."""
