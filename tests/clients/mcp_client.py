"""The MCP SDK for Python: from a 401 to a tool's answer, and on with a refreshed token."""

import asyncio
import os
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

from program import ISSUER, done, visit

URL, SUBJECT, METADATA_URL = os.environ["MCP_URL"], os.environ["SUBJECT"], os.environ.get("METADATA_URL")
# The port is the system's choice (RFC 8252 §7.3).
CALLBACK = "http://127.0.0.1:49152/callback"


class Kept:
    """What the SDK wants kept between two runs."""

    tokens = client = None
    callbacks: list[dict[str, str]] = []

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client

    async def go(self, url):
        query = parse_qs(urlsplit(visit(url)).query)
        self.callbacks.append({name: values[0] for name, values in query.items()})

    async def came_back(self):
        answer = self.callbacks[-1]
        return AuthorizationCodeResult(code=answer["code"], state=answer["state"], iss=answer["iss"])


async def whoami(provider):
    async with httpx2.AsyncClient(auth=provider) as http:
        async with Client(streamable_http_client(URL, http_client=http)) as client:
            result = await client.call_tool("whoami", {})
            return result.content[0].text


async def main():
    kept = Kept()
    metadata = OAuthClientMetadata(
        client_name="An agent",
        redirect_uris=[CALLBACK],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        token_endpoint_auth_method="none",
    )
    provider = OAuthClientProvider(URL, metadata, kept, kept.go, kept.came_back, METADATA_URL)
    assert await whoami(provider) == SUBJECT
    # Who says nothing of `offline_access` in a document stays signed in without it.
    assert kept.tokens.scope == ("tools:call" if METADATA_URL else "offline_access tools:call"), kept.tokens
    assert kept.client.client_secret is None and kept.client.issuer == ISSUER, kept.client
    assert (kept.client.client_id == METADATA_URL) == bool(METADATA_URL), kept.client

    # Its time is over: the SDK refreshes, and nobody is asked.
    before = kept.tokens
    provider.context.token_expiry_time = 1
    assert await whoami(provider) == SUBJECT
    assert kept.tokens.refresh_token != before.refresh_token
    assert len(kept.callbacks) == 1, kept.callbacks


asyncio.run(main())
done()
