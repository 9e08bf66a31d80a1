"""Authlib: a device without a browser (RFC 8628), whose user says yes somewhere else."""

import requests

from program import ISSUER, METHOD, done, visit
from sessions import session_of

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
metadata = requests.get(f"{ISSUER}/.well-known/oauth-authorization-server", timeout=10).json()
assert GRANT in metadata["grant_types_supported"]

session = session_of()
device = session.post(
    metadata["device_authorization_endpoint"],
    data={"scope": "openid profile"},
    auth=session.client_auth(METHOD),
    withhold_token=True,
).json()
visit(device["verification_uri_complete"])
session.fetch_token(metadata["token_endpoint"], grant_type=GRANT, device_code=device["device_code"])
# The session sends the token that it got.
assert session.get(metadata["userinfo_endpoint"]).json()["preferred_username"] == "ana"
done()
