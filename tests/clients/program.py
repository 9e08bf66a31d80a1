"""How a client program of the tests talks to the test that started it (program.rs)."""

import os
from urllib.parse import urlsplit

ISSUER, CLIENT_ID, METHOD = (os.environ[name] for name in ("ISSUER", "CLIENT_ID", "METHOD"))
CLIENT_SECRET = os.environ["CLIENT_SECRET"] or None
REDIRECT_URI, AFTERWARDS = os.environ["REDIRECT_URI"], os.environ["AFTERWARDS"]
IS_PUBLIC = METHOD == "none"


def visit(url: str) -> str:
    """Sends a user's browser somewhere; gives where it was sent in the end."""
    print("visit", url, flush=True)
    return input()


def path_of(url: str) -> str:
    """A URL's path and query, for a test client of a web framework."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def done() -> None:
    """Everything was as it should be."""
    print("done", flush=True)
