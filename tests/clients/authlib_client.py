"""Authlib: a web app on Flask signs a user in; a session refreshes, introspects, revokes; the user signs out."""

import time

from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oidc.discovery import OpenIDProviderMetadata
from flask import Flask, jsonify
from joserfc.jwk import ECKey

from program import AFTERWARDS, CLIENT_ID, ISSUER, IS_PUBLIC, METHOD, REDIRECT_URI, done, path_of, visit
from sessions import SECRET, SIGNING, session_of

app = Flask(__name__)
app.config.update(SECRET_KEY="of the test", TESTING=True)
heirloom = OAuth(app).register(
    "heirloom",
    client_id=CLIENT_ID,
    client_secret=SECRET,
    client_auth_methods=SIGNING,
    server_metadata_url=f"{ISSUER}/.well-known/openid-configuration",
    client_kwargs={
        "scope": "openid profile email",
        "code_challenge_method": "S256",
        "token_endpoint_auth_method": METHOD,
    },
)


@app.get("/sign-in")
def sign_in():
    return heirloom.authorize_redirect(REDIRECT_URI)


@app.get("/callback")
def callback():
    # Checks state, nonce, issuer, audience, times and the ID token's signature.
    token = heirloom.authorize_access_token()
    return jsonify(token=token, seen=heirloom.userinfo(token=token))


@app.get("/sign-out/<token>")
def sign_out(token):
    return jsonify(heirloom.create_logout_url(AFTERWARDS, id_token_hint=token))


def refused(error, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except OAuthError as refusal:
        assert refusal.error == error, refusal.error
    else:
        raise AssertionError(f"{error} was expected")


browser = app.test_client()
answer = browser.get(path_of(visit(browser.get("/sign-in").location))).get_json()
token, user = answer["token"], answer["token"]["userinfo"]
assert user["iss"] == ISSUER and user["aud"] == CLIENT_ID and user["auth_time"] <= time.time(), user
answer["seen"].pop("updated_at", None)
assert answer["seen"] == {
    "sub": user["sub"],
    "preferred_username": "ana",
    "email": "ana@example.com",
    "email_verified": False,
}

# Somebody else's answer is not taken: the callback of one browser in another one.
here, there = app.test_client(), app.test_client()
arrived = path_of(visit(here.get("/sign-in").location))
refused("mismatching_state", there.get, arrived)
assert here.get(arrived).status_code == 200

metadata = heirloom.load_server_metadata()
for kind in (AuthorizationServerMetadata, OpenIDProviderMetadata):
    kind({name: value for name, value in metadata.items() if name != "jwks"}).validate()

session = session_of(SECRET)
refreshed = session.refresh_token(metadata["token_endpoint"], refresh_token=token["refresh_token"])
assert refreshed["refresh_token"] != token["refresh_token"]
if not IS_PUBLIC:
    seen = session.introspect_token(metadata["introspection_endpoint"], refreshed["access_token"]).json()
    assert seen["active"] and seen["sub"] == user["sub"], seen
    own = session_of(SECRET, scope="orders:read")
    assert own.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")["scope"] == "orders:read"
    liar = session_of(ECKey.generate_key("P-256") if SIGNING else "wrong")
    refused("invalid_client", liar.fetch_token, metadata["token_endpoint"], grant_type="client_credentials")
answered = session.revoke_token(metadata["revocation_endpoint"], refreshed["refresh_token"])
assert answered.status_code == 200, answered.text
refused("invalid_grant", session.refresh_token, metadata["token_endpoint"], refresh_token=refreshed["refresh_token"])

# RFC 6749 §4.1.2: a code is good once. What it gave goes on, for it comes again at once, as after a lost answer.
plain = session_of(SECRET, redirect_uri=REDIRECT_URI, scope="orders:read", code_challenge_method="S256")
verifier = generate_token(48)
asked, _ = plain.create_authorization_url(metadata["authorization_endpoint"], code_verifier=verifier)
redeem = {"authorization_response": visit(asked), "code_verifier": verifier}
got = plain.fetch_token(metadata["token_endpoint"], **redeem)
assert got["scope"] == "orders:read" and "id_token" not in got, got
refused("invalid_grant", plain.fetch_token, metadata["token_endpoint"], **redeem)
assert plain.refresh_token(metadata["token_endpoint"], refresh_token=got["refresh_token"])["refresh_token"]

leaving = browser.get(f"/sign-out/{token['id_token']}").get_json()
assert visit(leaving["url"]) == f"{AFTERWARDS}?state={leaving['state']}"
refused("login_required", browser.get, path_of(visit(browser.get("/sign-in").location + "&prompt=none")))
done()
