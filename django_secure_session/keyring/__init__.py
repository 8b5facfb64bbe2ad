"""Root keys and everything derived from them; the only importer of PyNaCl.

A *root key* is 32 bytes from the settings. It never encrypts anything itself: for each
*context* (purpose, session alias, audience) a *subkey* is derived from it, and the
subkey's hash is the *key id* that every token starts with::

    subkey = BLAKE2b-256(key=root, person="dss.subkey.v1", data=u16 length | bytes
                         of each of purpose, alias and audience)
    key_id = BLAKE2b-56(key=subkey, person="dss.key-id", data="")

So a token shown in another context carries a key id that nobody there knows, the right
key is found by one look-up however many there are, and no key is ever tried out.
"""

from __future__ import annotations

from django_secure_session.keyring.boxes import (
    KEY_ID_BYTES,
    NONCE_BYTES,
    Box,
    Keyring,
)
from django_secure_session.keyring.forms import root_keys
from django_secure_session.keyring.passphrase import Passphrase
from django_secure_session.keyring.roots import (
    DERIVED,
    KEY_BYTES,
    Derived,
    RootKey,
    generate_key,
    refuse_duplicates,
    root_from_secret_key,
)

__all__ = [
    "DERIVED",
    "KEY_BYTES",
    "KEY_ID_BYTES",
    "NONCE_BYTES",
    "Box",
    "Derived",
    "Keyring",
    "Passphrase",
    "RootKey",
    "generate_key",
    "refuse_duplicates",
    "root_from_secret_key",
    "root_keys",
]
