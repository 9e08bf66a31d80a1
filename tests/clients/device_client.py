"""Authlib: a device without a browser (RFC 8628), whose user says yes somewhere else."""

import requests
from authlib.integrations.requests_client import OAuth2Session

from program import CLIENT_ID, ISSUER, done, visit

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
metadata = requests.get(f"{ISSUER}/.well-known/oauth-authorization-server", timeout=10).json()
assert GRANT in metadata["grant_types_supported"]

asked = {"client_id": CLIENT_ID, "scope": "openid profile"}
device = requests.post(metadata["device_authorization_endpoint"], data=asked, timeout=10).json()
visit(device["verification_uri_complete"])
session = OAuth2Session(CLIENT_ID, token_endpoint_auth_method="none")
session.fetch_token(metadata["token_endpoint"], grant_type=GRANT, device_code=device["device_code"])
# The session sends the token that it got.
assert session.get(metadata["userinfo_endpoint"]).json()["preferred_username"] == "ana"
done()
