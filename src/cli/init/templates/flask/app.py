import os
import secrets

from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Flask, redirect, render_template_string, request, session, url_for

import api

app = Flask(__name__)
app.secret_key = os.environ["SESSION_SECRET"]
app.config["SESSION_COOKIE_SAMESITE"] = "Lax"
app.register_blueprint(api.blueprint)

logins = {}  # A table of your database: a cookie has no room for tokens.


def refreshed(name, token, **before):
    logins[session["login"]].update(token)


heirloom = OAuth(app, update_token=refreshed).register(
    "heirloom",
    client_id=os.environ["CLIENT_ID"],
    client_secret=os.environ["CLIENT_SECRET"],
    server_metadata_url=f"{os.environ['ISSUER']}/.well-known/openid-configuration",
    client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256"},
)


def current_login():
    return logins.get(session.get("login"))


@app.get("/")
def home():
    return render_template_string(HOME, login=current_login())


@app.get("/profile")
def profile():
    if not (login := current_login()):
        session["next"] = request.path
        return redirect(url_for("sign_in"))
    # Refreshes the token first, if it has expired.
    answer = heirloom.get(url_for("api.hello", _external=True), token=login)
    return render_template_string(PROFILE, user=login["userinfo"], answer=answer.text)


@app.get("/sign-in")
def sign_in():
    return heirloom.authorize_redirect(url_for("callback", _external=True), resource=os.environ["AUDIENCE"])


@app.get("/callback")
def callback():
    login = heirloom.authorize_access_token()
    session["login"] = secrets.token_urlsafe()
    logins[session["login"]] = login
    return redirect(session.pop("next", url_for("home")))


@app.get("/sign-out")
def sign_out():
    login = logins.pop(session.pop("login", None), {})
    leaving = heirloom.create_logout_url(url_for("home", _external=True), id_token_hint=login.get("id_token"))
    return redirect(leaving["url"])


@app.errorhandler(OAuthError)
def not_signed_in(error):
    if error.error == "invalid_grant":  # The login was ended meanwhile.
        logins.pop(session.pop("login", None), None)
        return redirect(url_for("sign_in"))
    return render_template_string(PROBLEM, error=error.error), 403


HOME = """<!doctype html><title>App</title>
{% if login %}
<h1>Hello, {{ login.userinfo.name }}</h1>
<p><a href="/profile">Profile</a> <a href="/sign-out">Sign out</a>
{% else %}
<h1>Hello</h1>
<p><a href="/sign-in">Sign in</a>
{% endif %}"""

PROFILE = """<!doctype html><title>App</title>
<h1>Profile</h1>
<p>{{ user.name }}, {{ user.email }}
<p>The API says: <output>{{ answer }}</output>
<p><a href="/">Home</a> <a href="/sign-out">Sign out</a>"""

PROBLEM = """<!doctype html><title>App</title>
<h1>You are not signed in</h1>
<p>{{ error }}
<p><a href="/">Home</a>"""
