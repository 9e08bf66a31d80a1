"""Sign-in for a web app: the lines that matter stand between the two rules.

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
from requests import HTTPError

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8080")
app = Flask(__name__)
app.secret_key = os.environ.get("SESSION_KEY", secrets.token_hex())
logins = {}  # a table of your database

# ----------------------------------------------------------------------------------------------------------------------
def refreshed(name, token, **before):
    logins[session["login"]].update(token)

heirloom = OAuth(app, update_token=refreshed).register(
    "heirloom", client_id="example", client_secret=os.environ["CLIENT_SECRET"],
    server_metadata_url=f"{ISSUER}/.well-known/openid-configuration",
    client_kwargs={"scope": "openid profile", "code_challenge_method": "S256"})

@app.get("/sign-in")
def sign_in():
    return heirloom.authorize_redirect(url_for("callback", _external=True))

@app.get("/callback")
def callback():
    session["login"] = secrets.token_urlsafe()
    logins[session["login"]] = heirloom.authorize_access_token()  # checks state, nonce, issuer, audience, times, signature
    return redirect("/")

def user():  # refreshes what has expired, and knows at once when the login was ended
    try:
        return heirloom.userinfo(token=logins[session["login"]])
    except (KeyError, OAuthError):
        return None
    except HTTPError as error:
        if error.response.status_code == 401:
            return None
        raise
# ----------------------------------------------------------------------------------------------------------------------

@app.get("/")
def home():
    if not (known := user()):
        return "<h1>Hello</h1><p><a href=/sign-in>Sign in</a>"
    return f"<h1>Hello, {escape(known['preferred_username'])}</h1><p><a href=/sign-out>Sign out</a>"


@app.get("/sign-out")
def sign_out():
    token = logins.pop(session.pop("login", None), {})
    leaving = heirloom.create_logout_url(url_for("home", _external=True), id_token_hint=token.get("id_token"))
    return redirect(leaving["url"])


@app.errorhandler(OAuthError)
def not_signed_in(error):
    return f"<h1>You are not signed in</h1><p>{escape(error.error)}<p><a href=/>Back</a>", 403


if __name__ == "__main__":
    app.run(port=int(os.environ.get("PORT", "5000")))
