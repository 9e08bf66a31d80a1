"""Authlib's session, for every way to prove who the client is."""

from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey

from program import CLIENT_ID, CLIENT_SECRET, ISSUER, METHOD

# A client with a key signs with it, for the issuer (RFC 10070): Authlib itself would name the token endpoint.
SECRET, SIGNING = CLIENT_SECRET, []
if METHOD == "private_key_jwt":
    SIGNING = [PrivateKeyJWT(ISSUER, headers={"kid": "k-1"}, alg="ES256")]
    SECRET = ECKey.import_key(f"-----BEGIN PRIVATE KEY-----\n{CLIENT_SECRET}\n-----END PRIVATE KEY-----\n")


def session_of(secret=SECRET, **more):
    session = OAuth2Session(
        CLIENT_ID, secret, token_endpoint_auth_method=METHOD, revocation_endpoint_auth_method=METHOD, **more
    )
    for method in SIGNING:
        session.register_client_auth_method(method)
    return session
