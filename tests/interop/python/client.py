"""A client that signs its user in, calls a service, refreshes and signs its user out."""

import os

import requests
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.jwk import KeySet

ISSUER, CLIENT_ID, CLIENT_SECRET = (os.environ[name] for name in ("ISSUER", "CLIENT_ID", "CLIENT_SECRET"))
REDIRECT_URI, AFTERWARDS, API, SERVICE = (
    os.environ[name] for name in ("REDIRECT_URI", "AFTERWARDS", "API", "SERVICE")
)


def visit(url: str) -> str:
    """Sends the user's browser somewhere; gives where it was sent in the end."""
    print("visit", url, flush=True)
    return input()


metadata = requests.get(f"{ISSUER}/.well-known/openid-configuration", timeout=5).json()
assert metadata["issuer"] == ISSUER
session = OAuth2Session(
    CLIENT_ID,
    CLIENT_SECRET,
    redirect_uri=REDIRECT_URI,
    scope="openid profile orders:read",
    code_challenge_method="S256",
)
verifier, nonce = generate_token(48), generate_token()
url, state = session.create_authorization_url(
    metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce, resource=API
)
# The session remembers the state, and takes the answer to no other question.
token = session.fetch_token(metadata["token_endpoint"], authorization_response=visit(url), code_verifier=verifier)

keys = KeySet.import_key_set(requests.get(metadata["jwks_uri"], timeout=5).json())
read = jwt.decode(token["id_token"], keys, algorithms=["ES256", "EdDSA", "RS256"])
wanted = {"iss": {"value": ISSUER}, "aud": {"value": CLIENT_ID}, "nonce": {"value": nonce}}
user = CodeIDToken(read.claims, read.header, wanted, {"nonce": nonce, "client_id": CLIENT_ID})
user.validate(leeway=5)


def call():
    answer = session.get(SERVICE)
    assert answer.json()["reader"] == user["sub"], answer.text


call()
session.refresh_token(metadata["token_endpoint"], resource=API)
call()
leaving = requests.Request(
    "GET",
    metadata["end_session_endpoint"],
    params={"id_token_hint": token["id_token"], "post_logout_redirect_uri": AFTERWARDS, "state": "bye"},
)
assert visit(leaving.prepare().url) == f"{AFTERWARDS}?state=bye"
try:
    session.refresh_token(metadata["token_endpoint"])
except OAuthError as refusal:
    assert refusal.error == "invalid_grant", refusal
else:
    raise AssertionError("the login goes on")
print("done", flush=True)
