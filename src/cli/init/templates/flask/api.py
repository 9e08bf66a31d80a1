"""An API that access tokens open, and no cookies. It could be a service of its own."""

import os
from functools import wraps

import jwt
from flask import Blueprint, request

ISSUER, AUDIENCE = os.environ["ISSUER"], os.environ["AUDIENCE"]

blueprint = Blueprint("api", __name__, url_prefix="/api")
keys = jwt.PyJWKClient(f"{ISSUER}/.well-known/jwks.json")


def verified(token):
    whole = jwt.decode_complete(
        token,
        keys.get_signing_key_from_jwt(token),
        algorithms=["ES256", "EdDSA", "RS256"],
        issuer=ISSUER,
        audience=AUDIENCE,
        options={"require": ["exp", "iss", "aud"]},
        leeway=5,
    )
    if whole["header"].get("typ") != "at+jwt":
        raise jwt.InvalidTokenError("not an access token")
    return whole["payload"]


def protected(view):
    @wraps(view)
    def guarded():
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return {"error": "unauthorized"}, 401, {"WWW-Authenticate": "Bearer"}
        try:
            claims = verified(token)
        except jwt.PyJWKClientConnectionError:
            return {"error": "temporarily_unavailable"}, 503  # That says nothing about the token.
        except jwt.PyJWTError:
            return {"error": "invalid_token"}, 401, {"WWW-Authenticate": 'Bearer error="invalid_token"'}
        return view(claims)

    return guarded


@blueprint.get("/hello")
@protected
def hello(claims):
    return {"hello": claims["sub"]}
