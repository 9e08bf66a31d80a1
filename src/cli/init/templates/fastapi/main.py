import os
import secrets
from typing import Annotated

from authlib.integrations.base_client import OAuthError
from authlib.integrations.starlette_client import OAuth
from fastapi import Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment
from starlette.middleware.sessions import SessionMiddleware

import api

app = FastAPI()
app.add_middleware(SessionMiddleware, secret_key=os.environ["SESSION_SECRET"])
app.include_router(api.router)

logins = {}  # A table of your database: a cookie has no room for tokens.


async def refreshed(name, token, refresh_token=None, **before):
    for login in logins.values():
        if login.get("refresh_token") == refresh_token:
            login.update(token)


oauth = OAuth()
oauth.register(
    "heirloom",
    client_id=os.environ["CLIENT_ID"],
    client_secret=os.environ["CLIENT_SECRET"],
    server_metadata_url=f"{os.environ['ISSUER']}/.well-known/openid-configuration",
    client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256"},
    update_token=refreshed,
)


class SignInFirst(Exception):
    pass


def current_login(request: Request):
    return logins.get(request.session.get("login"))


def required_login(request: Request):
    if not (login := current_login(request)):
        raise SignInFirst
    return login


@app.get("/")
def home(request: Request):
    return page(HOME, login=current_login(request))


@app.get("/profile")
async def profile(request: Request, login: Annotated[dict, Depends(required_login)]):
    # Refreshes the token first, if it has expired.
    answer = await oauth.heirloom.get(str(request.url_for("hello")), token=login)
    return page(PROFILE, user=login["userinfo"], answer=answer.text)


@app.get("/sign-in")
async def sign_in(request: Request):
    back = request.url_for("callback")
    return await oauth.heirloom.authorize_redirect(request, back, resource=os.environ["AUDIENCE"])


@app.get("/callback")
async def callback(request: Request):
    login = await oauth.heirloom.authorize_access_token(request)
    request.session["login"] = secrets.token_urlsafe()
    logins[request.session["login"]] = login
    return RedirectResponse(request.session.pop("next", "/"))


@app.get("/sign-out")
async def sign_out(request: Request):
    login = logins.pop(request.session.pop("login", None), {})
    back = str(request.url_for("home"))
    leaving = await oauth.heirloom.create_logout_url(back, id_token_hint=login.get("id_token"))
    return RedirectResponse(leaving["url"])


@app.exception_handler(SignInFirst)
def sign_in_first(request: Request, _: SignInFirst):
    request.session["next"] = request.url.path
    return RedirectResponse("/sign-in")


@app.exception_handler(OAuthError)
def not_signed_in(request: Request, error: OAuthError):
    if error.error == "invalid_grant":  # The login was ended meanwhile.
        logins.pop(request.session.pop("login", None), None)
        return RedirectResponse("/sign-in")
    return page(PROBLEM, status=403, error=error.error)


templates = Environment(autoescape=True)


def page(template, status=200, **values):
    return HTMLResponse(templates.from_string(template).render(values), status)


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
