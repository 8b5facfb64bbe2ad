"""API keys: the same identity for programs, guarded by scope.

``INSTALLED_APPS += ["django_secure_session.api_keys"]``, ``manage.py migrate``, and
``@authorized(scopes=[...])`` above a view. Keys are made in the admin, by ``manage.py
createapikey`` or with ``ApiKey.objects.create_key()``; what is stored is a digest.
"""
