"""Hashes of passwords by those who make them elsewhere, as lines for `heirloom user import`: each with its password, or
with why it is not taken along."""

import base64
import hashlib
import json
import os
import secrets

import argon2
import bcrypt
import django
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from django.conf import settings
from django.contrib.auth import hashers
from passlib import hash as passlib

NAMES = ["PBKDF2", "PBKDF2SHA1", "Argon2", "BCryptSHA256", "BCrypt", "Scrypt", "MD5"]
settings.configure(PASSWORD_HASHERS=[f"django.contrib.auth.hashers.{name}PasswordHasher" for name in NAMES])
django.setup()
# As of some years ago: a server that takes all of these kinds pays for each of them at every wrong password.
hashers.PBKDF2PasswordHasher.iterations = 150_000
hashers.BCryptSHA256PasswordHasher.rounds = 10


def password() -> str:
    """Another one each time, with letters that take more than a byte."""
    return f"Pässwörter 🐎 {secrets.token_urlsafe(9)}"


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def line(name: str, password_hash, given: str | None = None, refused: str | None = None) -> None:
    user = {"username": name, "password_hash": password_hash}
    print(json.dumps({"line": user, "password": given, "refused": refused}), flush=True)


def keycloak(algorithm: str, iterations: int, value: bytes, salt: bytes, parameters: dict) -> dict:
    """A credential as Keycloak's PasswordCredentialModel writes it."""
    return {
        "credentialData": json.dumps(
            {"hashIterations": iterations, "algorithm": algorithm, "additionalParameters": parameters}
        ),
        "secretData": json.dumps({"value": base64_of(value), "salt": base64_of(salt), "additionalParameters": {}}),
    }


def of_bcrypt() -> None:
    for prefix in (b"2a", b"2b"):
        given = password()
        made = bcrypt.hashpw(given.encode(), bcrypt.gensalt(rounds=8, prefix=prefix)).decode()
        line(f"bcrypt-{prefix.decode()}", made, given)
        # The name that PHP gives to the same.
        line(f"bcrypt-{prefix.decode()}-as-2y", made.replace(f"${prefix.decode()}$", "$2y$"), given)
    cheap = bcrypt.hashpw(b"x", bcrypt.gensalt(rounds=4)).decode()
    line("bcrypt-cheap", cheap, refused="bcrypt with cost 4 is too cheap to guess: the least is 8")
    line("bcrypt-dear", cheap.replace("$04$", "$15$"), refused="bcrypt with cost 15 is too dear to check: the most is 14")


def of_django() -> None:
    for kind in ("pbkdf2_sha256", "pbkdf2_sha1", "argon2", "bcrypt_sha256", "bcrypt", "scrypt"):
        given = password()
        line(f"django-{kind}", hashers.make_password(given, hasher=kind), given)
    line("django-md5", hashers.make_password("x", hasher="md5"), refused="MD5 is not taken along: it is too cheap to guess")


def of_argon2() -> None:
    for kind in argon2.Type:
        given = password()
        hasher = argon2.PasswordHasher(time_cost=2, memory_cost=8192, parallelism=2, type=kind)
        line(f"argon2-{kind.name}", hasher.hash(given), given)
    cheap = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1, hash_len=12)
    line("argon2-cheap", cheap.hash("x"), refused="argon2 with bytes of output 12 is too cheap to guess: the least is 16")
    cheap = argon2.PasswordHasher(time_cost=1, memory_cost=16, parallelism=1)
    line("argon2-little", cheap.hash("x"), refused="argon2 with KiB of memory 16 is too cheap to guess: the least is 1024")
    dear = argon2.PasswordHasher(time_cost=1, memory_cost=(1 << 17) + 8, parallelism=1)
    line("argon2-dear", dear.hash("x"), refused="argon2 with KiB of memory 131080 is too dear to check: the most is 131072")


def of_passlib() -> None:
    schemes = {
        "bcrypt": {"rounds": 8},
        "pbkdf2_sha1": {},
        "pbkdf2_sha256": {},
        "pbkdf2_sha512": {},
        "scrypt": {"rounds": 11},
        "argon2": {"memory_cost": 4096},
        "sha256_crypt": {"rounds": 5000},
        "sha512_crypt": {"rounds": 1000},
        "ldap_salted_sha1": {},
        "ldap_salted_sha256": {},
        "ldap_salted_sha512": {},
        "ldap_sha256_crypt": {"rounds": 5000},
        "ldap_sha512_crypt": {"rounds": 5000},
        "ldap_bcrypt": {"rounds": 8},
        "django_pbkdf2_sha256": {"rounds": 20000},
    }
    for scheme, parameters in schemes.items():
        given = password()
        line(f"passlib-{scheme}", getattr(passlib, scheme).using(**parameters).hash(given), given)
    for scheme, why in {
        "md5_crypt": "MD5-crypt is not taken along: it is too cheap to guess",
        "apr_md5_crypt": "MD5-crypt is not taken along: it is too cheap to guess",
        "phpass": "phpass is not taken along: it is too cheap to guess",
        "ldap_sha1": "SHA-1 without salt is not taken along: it is too cheap to guess",
        "ldap_md5": "MD5 is not taken along: it is too cheap to guess",
        "bcrypt_sha256": "passlib's bcrypt over HMAC is not taken along: nothing here verifies it",
        "sun_md5_crypt": "it is of no kind that is known here",
        "hex_sha256": "it is of no kind that is known here",
    }.items():
        line(f"passlib-{scheme}", getattr(passlib, scheme).hash("x"), refused=why)
    made = passlib.pbkdf2_sha256.using(rounds=900).hash("x")
    line("passlib-cheap", made, refused="900 is too cheap to guess: the least is 1000")
    made = passlib.scrypt.using(rounds=4).hash("x")
    line("passlib-cheap-scrypt", made, refused="scrypt with KiB of memory 16 is too cheap to guess: the least is 1024")


def of_keycloak() -> None:
    """With its own parameters of several years: 64 bytes of output for PBKDF2, 16 bytes of salt."""
    for algorithm, digest, iterations in (
        ("pbkdf2", "sha1", 20_000),
        ("pbkdf2-sha256", "sha256", 27_500),
        ("pbkdf2-sha512", "sha512", 210_000),
    ):
        given, salt = password(), os.urandom(16)
        value = hashlib.pbkdf2_hmac(digest, given.encode(), salt, iterations, 64)
        line(f"keycloak-{algorithm}-{iterations}", keycloak(algorithm, iterations, value, salt, {}), given)
    given, salt = password(), os.urandom(16)
    value = argon2.low_level.hash_secret_raw(given.encode(), salt, 5, 7168, 1, 32, argon2.Type.ID)
    parameters = {"hashLength": ["32"], "memory": ["7168"], "type": ["id"], "version": ["1.3"], "parallelism": ["1"]}
    line("keycloak-argon2", keycloak("argon2", 5, value, salt, parameters), given)
    made = keycloak("pbkdf2-sha256", 1, value, salt, {})
    line("keycloak-cheap", made, refused="1 is too cheap to guess: the least is 1000")


def of_firebase() -> None:
    """As its scrypt utility does: the signer key, encrypted under what scrypt makes of the password."""
    signer_key, separator = base64.b64decode(os.environ["SIGNER_KEY"]), base64.b64decode("Bw==")
    for number in range(2):
        given, salt = password(), os.urandom(10)
        derived = hashlib.scrypt(
            given.encode(), salt=salt + separator, n=1 << 14, r=8, p=1, maxmem=1 << 26, dklen=64
        )
        encryptor = Cipher(algorithms.AES(derived[:32]), modes.CTR(bytes(16))).encryptor()
        encrypted = encryptor.update(signer_key) + encryptor.finalize()
        line(f"firebase-{number}", f"$firebase-scrypt${base64_of(salt)}${base64_of(encrypted)}", given)


for make in (of_bcrypt, of_django, of_argon2, of_passlib, of_keycloak, of_firebase):
    make()
