"""scim2-tester: checks what RFC 7643 and RFC 7644 ask of a server, by what the server says of itself."""

from collections import Counter

import requests
from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

from program import CLIENT_ID, CLIENT_SECRET, ISSUER, done

grant = {"grant_type": "client_credentials"}
token = requests.post(f"{ISSUER}/oauth/token", data=grant, auth=(CLIENT_ID, CLIENT_SECRET), timeout=30).json()
assert token["expires_in"] == 24 * 60 * 60, token

headers = {"Authorization": f"Bearer {token['access_token']}"}
client = SyncSCIMClient(Client(base_url=f"{ISSUER}/scim/v2", headers=headers, timeout=30))
results = check_server(client)

told = Counter()
failed = []
for result in results:
    print(f"{result.status.name} {result.title}: {result.reason}", flush=True)
    told[result.title] += 1
    if result.status != Status.SUCCESS:
        failed.append(result)
assert not failed, failed

# It went through all of it: a server that says little is checked little.
assert told["check_add_attribute"] == 12, told
assert told["check_replace_attribute"] == 14, told
for title in [
    "service_provider_config_endpoint",
    "query_all_schemas",
    "query_all_resource_types",
    "random_url",
    "object_creation",
    "object_query",
    "object_query_without_id",
    "object_query_with_attributes",
    "object_list_with_attributes",
    "search_with_attributes",
    "object_replacement",
    "object_deletion",
    "check_remove_attribute",
]:
    assert told[title] > 0, told
done()
