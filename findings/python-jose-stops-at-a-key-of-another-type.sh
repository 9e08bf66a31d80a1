#!/usr/bin/env bash
# python-jose 3.5.0 (PyPI): a key set may hold keys of several types, and by RFC 7517 section 5 their order says nothing
# unless the two sides agree on more. jwt.decode() takes a whole set, tries its keys in turn without regard to the token's
# kid, and makes each of them a key of the token's algorithm first. The first key of another type ends the search with an
# error, though the right key stands behind it. So the order of the set decides whether a good token is accepted.
# The error is a JWKError, which is no JWTError, so a caller that catches JWTError for a bad token does not catch this.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'python-jose[cryptography]==3.5.0'
cat > finding.py <<'PYTHON'
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jose import jwk, jwt
from jose.exceptions import JWTError


def pair(key, kid, algorithm):
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    private = jwk.construct(key.private_bytes(*form).decode(), algorithm)
    return private, {**private.public_key().to_dict(), "kid": kid, "use": "sig"}


rsa_private, rsa_public = pair(rsa.generate_private_key(public_exponent=65537, key_size=2048), "rsa", "RS256")
ec_private, ec_public = pair(ec.generate_private_key(ec.SECP256R1()), "ec", "ES256")

for algorithm, private, kid in [("RS256", rsa_private, "rsa"), ("ES256", ec_private, "ec")]:
    token = jwt.encode({"sub": "user"}, private.to_dict(), algorithm=algorithm, headers={"kid": kid})
    for keys in [[rsa_public, ec_public], [ec_public, rsa_public]]:
        try:
            jwt.decode(token, {"keys": keys}, algorithms=[algorithm])
            outcome = "accepted"
        except Exception as error:
            caught = "caught" if isinstance(error, JWTError) else "not caught"
            outcome = f"{type(error).__name__}, {caught} as a JWTError: {error}"
        print(f"{algorithm}, keys {' '.join(key['kid'] for key in keys)}: {outcome}")
PYTHON
venv/bin/python finding.py > output
cat output
wrong='JWKError, not caught as a JWTError: Incorrect key type.'
cat > expected <<TEXT
RS256, keys rsa ec: accepted
RS256, keys ec rsa: $wrong Expected: 'RSA', Received: EC
ES256, keys rsa ec: $wrong Expected: 'EC', Received: RSA
ES256, keys ec rsa: accepted
TEXT
diff expected output
echo "as described"
