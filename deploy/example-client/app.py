"""Sign-in for a web app: the ten lines that matter stand between the two rules.

    heirloom client add example --confidential --name "The example" --scope "openid profile" \\
      --redirect-uri http://127.0.0.1:5000/callback --post-logout-redirect-uri http://127.0.0.1:5000/
    pip install authlib flask requests
    CLIENT_SECRET=… python deploy/example-client/app.py

Then it is at http://127.0.0.1:5000.
"""

import os
import secrets

from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Flask, redirect, session, url_for
from markupsafe import escape

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8080")
app = Flask(__name__)
app.secret_key = os.environ.get("SESSION_KEY", secrets.token_hex())

# ----------------------------------------------------------------------------------------------------------------------
heirloom = OAuth(app).register(
    "heirloom", client_id="example", client_secret=os.environ["CLIENT_SECRET"],
    server_metadata_url=f"{ISSUER}/.well-known/openid-configuration",
    client_kwargs={"scope": "openid profile", "code_challenge_method": "S256"})

@app.get("/sign-in")
def sign_in():
    return heirloom.authorize_redirect(url_for("callback", _external=True))

@app.get("/callback")
def callback():
    token = heirloom.authorize_access_token()  # checks state, nonce, issuer, audience, times and signature
    session["sub"], session["id_token"] = token["userinfo"]["sub"], token["id_token"]
    session["name"] = heirloom.userinfo(token=token)["preferred_username"]
    return redirect("/")
# ----------------------------------------------------------------------------------------------------------------------

@app.get("/")
def home():
    if "sub" not in session:
        return "<h1>Hello</h1><p><a href=/sign-in>Sign in</a>"
    return f"<h1>Hello, {escape(session['name'])}</h1><p><a href=/sign-out>Sign out</a>"


@app.get("/sign-out")
def sign_out():
    leaving = heirloom.create_logout_url(url_for("home", _external=True), id_token_hint=session.get("id_token"))
    session.clear()
    return redirect(leaving["url"])


@app.errorhandler(OAuthError)
def not_signed_in(error):
    return f"<h1>You are not signed in</h1><p>{escape(error.error)}<p><a href=/>Back</a>", 403


if __name__ == "__main__":
    app.run(port=int(os.environ.get("PORT", "5000")))
