"""A service that access tokens open: GET /orders, for apps that may read orders.

ISSUER=https://login.example.com AUDIENCE=https://orders.example.com PORT=8081 python service.py
"""

import base64
import os
import time
import zlib

import jwt
import requests
from flask import Flask, request

ISSUER, AUDIENCE, PORT = (os.environ[name] for name in ("ISSUER", "AUDIENCE", "PORT"))
keys = jwt.PyJWKClient(f"{ISSUER}/.well-known/jwks.json")
app = Flask(__name__)


def verified(token: str, typ: str, **wanted) -> dict:
    """The claims of a JWT of this type that is good here."""
    whole = jwt.decode_complete(
        token,
        keys.get_signing_key_from_jwt(token),
        algorithms=["ES256", "EdDSA", "RS256"],
        issuer=ISSUER,
        leeway=5,
        **wanted,
    )
    if whole["header"].get("typ") != typ:
        raise jwt.InvalidTokenError(f"not of type {typ}")
    return whole["payload"]


lists: dict[str, dict] = {}


def is_ended(entry: dict) -> bool:
    """Whether the status list says that the login is over. A list is asked for again when its `ttl` is."""
    uri, index = entry["uri"], entry["idx"]
    known = lists.get(uri)
    if not known or known["next"] <= time.time():
        if known:  # Whoever asks meanwhile takes the list that is here, which is good until its `exp`.
            known["next"] = time.time() + 1
        try:
            known = lists[uri] = fetch_list(uri)
        except requests.RequestException:
            if not known or known["exp"] <= time.time():
                raise
    octets = known["bytes"]
    return index >= 8 * len(octets) or octets[index >> 3] >> (index & 7) & 1 == 1


def fetch_list(uri: str) -> dict:
    if not uri.startswith(f"{ISSUER}/"):
        raise jwt.InvalidTokenError("a list of somebody else's")
    answer = requests.get(uri, allow_redirects=False, timeout=5)
    answer.raise_for_status()
    claims = verified(answer.text, "statuslist+jwt", subject=uri, options={"require": ["exp"]})
    packed = base64.urlsafe_b64decode(claims["status_list"]["lst"] + "==")
    octets = zlib.decompressobj().decompress(packed, 1 << 20)
    return {"bytes": octets, "next": max(claims["iat"] + claims["ttl"], time.time() + 1), "exp": claims["exp"]}


@app.get("/orders")
def orders():
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        return {"error": "unauthorized"}, 401, {"WWW-Authenticate": "Bearer"}
    try:
        claims = verified(token, "at+jwt", audience=AUDIENCE, options={"require": ["exp", "iss", "aud"]})
        if "cnf" in claims:  # Only a service that asks for a proof of the key (DPoP) may take it.
            raise jwt.InvalidTokenError("it is bound to a key")
        if "status" in claims and is_ended(claims["status"]["status_list"]):
            raise jwt.InvalidTokenError("its login was ended")
    except (jwt.PyJWKClientConnectionError, requests.RequestException):
        return {"error": "temporarily_unavailable"}, 503  # That says nothing about the token.
    except jwt.PyJWTError:
        return {"error": "invalid_token"}, 401, {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    if "orders:read" not in claims.get("scope", "").split():
        challenge = 'Bearer error="insufficient_scope", scope="orders:read"'
        return {"error": "insufficient_scope"}, 403, {"WWW-Authenticate": challenge}
    return {"reader": claims["sub"], "orders": []}


if __name__ == "__main__":
    app.run("127.0.0.1", int(PORT))
