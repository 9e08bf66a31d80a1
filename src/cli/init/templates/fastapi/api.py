"""An API that access tokens open, and no cookies. It could be a service of its own."""

import os
from typing import Annotated

import jwt
from fastapi import APIRouter, Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

ISSUER, AUDIENCE = os.environ["ISSUER"], os.environ["AUDIENCE"]

router = APIRouter(prefix="/api")
keys = jwt.PyJWKClient(f"{ISSUER}/.well-known/jwks.json")
bearer = HTTPBearer(auto_error=False)


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


def claims_of(shown: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]):
    if not shown:
        raise HTTPException(401, "unauthorized", {"WWW-Authenticate": "Bearer"})
    try:
        return verified(shown.credentials)
    except jwt.PyJWKClientConnectionError:
        raise HTTPException(503, "temporarily_unavailable")  # That says nothing about the token.
    except jwt.PyJWTError:
        raise HTTPException(401, "invalid_token", {"WWW-Authenticate": 'Bearer error="invalid_token"'})


@router.get("/hello")
def hello(claims: Annotated[dict, Depends(claims_of)]):
    return {"hello": claims["sub"]}
