"""Schemathesis: sends whatever the description of the admin API allows, and what it does not; each answer is one that
the description has."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import requests

from program import CLIENT_ID, CLIENT_SECRET, ISSUER, done

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
HERE = Path(__file__).parent
# It does not know by itself how lines of JSON are sent.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HERE), "SCHEMATHESIS_HOOKS": "described_lines"}

# Each may make the token of this test worth nothing: Schemathesis takes ids from lists, and its own client is there.
LEFT_OUT = ["withdrawKeys", "changeClient", "removeClient", "rotateSecret"]

grant = {"grant_type": "client_credentials"}
token = requests.post(f"{ISSUER}/oauth/token", data=grant, auth=(CLIENT_ID, CLIENT_SECRET), timeout=30).json()
headers = {"Authorization": f"Bearer {token['access_token']}"}


def run(phases):
    command = [
        SCHEMATHESIS,
        "--no-color",
        "run",
        f"{ISSUER}/admin/v1/openapi.json",
        f"--header=Authorization: {headers['Authorization']}",
        f"--phases={phases}",
        # What is well-formed may still name nobody; and an empty parameter counts as left out.
        "--exclude-checks=positive_data_acceptance,negative_data_rejection",
        "--seed=1",
        "--generation-database=none",
        "--max-examples=20",
        *(f"--exclude-operation-id={operation}" for operation in LEFT_OUT),
    ]
    # It leaves notes behind where it runs.
    with tempfile.TemporaryDirectory() as folder, subprocess.Popen(
        command, cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        for line in running.stdout:
            print(line.rstrip() or "-", flush=True)
    assert running.returncode == 0, running.returncode
    still = requests.get(f"{ISSUER}/admin/v1/users", headers=headers, timeout=30)
    assert still.status_code == 200, still.text


run("examples,coverage,fuzzing")
run("stateful")
done()
