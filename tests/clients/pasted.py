"""Pastes what pages say into a shell in a terminal, as a reader does: `pasted.py SHELL PAGE…`.

Every block in order, in one session; of `PAGE#HEADING` those below the heading. A `…` is filled from the answer before,
the server's port is ours. What is for PostgreSQL is pasted where DATABASE is set, and nothing else then.
"""

import atexit
import json
import os
import pty
import re
import select
import sys
import time

SHELL, *PAGES = sys.argv[1:]
PORT, PASSWORD, DATABASE = os.environ["PORT"], os.environ["PASSWORD"], os.environ.get("DATABASE")
SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "dash": ["dash", "-i"],
    "zsh": ["zsh", "-f", "-i", "-o", "no_zle", "-o", "no_prompt_sp"],
}
# What is in a variable, by its name in the pages.
MEMBERS = {
    "REFRESH": "refresh_token",
    "ACCESS": "access_token",
    "USERS_TOKEN": "access_token",
    "ITS_OWN": "access_token",
    "TOKEN": "access_token",
    "SECRET": "client_secret",
    "CLIENT_SECRET": "client_secret",
    "DEVICE": "device_code",
    "CODE": "authorization_code",
}
# What another test runs, and what takes a machine of its own.
ELSEWHERE = {
    "cargo run --release -- demo": "the demo is tested as a process",
    "cargo build --release": "the binary is there",
    "tests/run": "it runs this",
    "docker compose": "tests/compose",
    "heirloom init": "tests/init",
    "cd app && npm start": "tests/init",
    "pip install": "tests/clients/install",
    "CLIENT_SECRET=… python": "tests/clients/example.rs",
    "curl -s --cacert": "tests/api/mtls_listener.rs",
    "curl -s $H/login/mfa": "tests/api/second_factors.rs",
    "curl -s $H/oauth/authorization_challenge -d client_id=phone -d auth_session": "tests/api/first_party.rs",
}
# Nobody agrees at the television's page.
REFUSED = {"device_code=": "authorization_pending"}
PATIENCE = 60


def blocks(page):
    """The statements of the page's blocks for a shell."""
    page, _, heading = page.partition("#")
    text = open(page, encoding="utf-8").read()
    if heading:
        _, _, text = text.partition(f"\n## {heading}\n")
        text, _, _ = text.partition("\n## ")
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S):
        if bool(DATABASE) != ("HEIRLOOM_DATABASE_URL" in block):
            continue
        statement = ""
        for line in block.splitlines():
            statement += line
            if line.endswith("\\") or statement.count("'") % 2:
                statement += "\n"
                continue
            yield statement
            statement = ""
        assert not statement, f"{page}: a block ends within a statement: {statement}"


class Terminal:
    def __init__(self):
        pid, self.file = pty.fork()
        if pid == 0:
            os.environ.update(PS1="", PS2="", TERM="dumb")
            os.execvp(SHELLS[SHELL][0], SHELLS[SHELL])
        self.transcript = ""
        self.number = 0
        self.write("stty -echo; PS1=; PS2=\n")
        self.run("true")

    def write(self, text):
        os.write(self.file, text.encode())

    def read(self, until):
        """What the terminal shows until then."""
        shown, deadline, answered = "", time.monotonic() + PATIENCE, 0
        while not (found := re.search(until, shown)):
            ready, _, _ = select.select([self.file], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                self.fail(f"there is no end to it: {shown}")
            shown += os.read(self.file, 65536).decode().replace("\r", "")
            # Whoever is asked for a password types it.
            asked = len(re.findall(r"(?:Password|Once more): ", shown))
            for _ in range(asked - answered):
                # What is typed before the question stands is thrown away by the terminal.
                time.sleep(0.3)
                self.write(f"{PASSWORD}\n")
            answered = asked
        self.transcript += shown
        return shown[: found.start()], found

    def run(self, statement):
        """Runs a statement; gives what it shows and its status."""
        self.number += 1
        self.transcript += f"> {statement}\n"
        # In the same line, as a question would be answered with the next one.
        then = "\n" if statement.endswith("&") else "; "
        self.write(f'{statement}{then}echo "@{self.number}"@$?@\n')
        shown, found = self.read(rf"@{self.number}@(\d+)@\n")
        return shown, int(found[1])

    def serves(self, statement):
        """Runs a server in the foreground until it is ready, and stops it as a person does."""
        self.transcript += f"> {statement}\n"
        self.write(f"{statement}\n")
        deadline = time.monotonic() + PATIENCE
        while os.system(f"curl -sf -o /dev/null http://127.0.0.1:{PORT}/readyz"):
            if time.monotonic() > deadline:
                self.fail("the server is not ready")
            time.sleep(0.1)
        self.write("\x03")
        self.run("true")

    def fail(self, why):
        ready, _, _ = select.select([self.file], [], [], 0)
        more = os.read(self.file, 65536).decode() if ready else ""
        sys.exit(f"{SHELL}: {why}\n--- the terminal:\n{self.transcript}{more}")


def answers(shown):
    """The JSON objects among what a statement shows."""
    decoder, found, at = json.JSONDecoder(), [], shown.find("{")
    while at >= 0:
        try:
            value, end = decoder.raw_decode(shown, at)
            found.append(value)
        except ValueError:
            end = at + 1
        at = shown.find("{", end)
    return found


def filled(statement, known):
    def value(match):
        member = MEMBERS[match[1]]
        assert member in known, f"nothing before it says a {member}: {statement}"
        return f"{match[1]}={known[member]}"

    statement = statement.replace('"password":"…"', f'"password":"{PASSWORD}"')
    statement = statement.replace("'password=…'", f"'password={PASSWORD}'")
    statement = statement.replace("postgres://heirloom:…@db/heirloom", f"'{DATABASE}'")
    statement = re.sub(r"\b([A-Z_]+)=…", value, statement)
    statement = re.sub(r"(127\.0\.0\.1|0\.0\.0\.0):8080", f"127.0.0.1:{PORT}", statement)
    assert "…" not in statement, statement
    return statement


terminal, known, pasted = Terminal(), {}, 0
# Whatever happens, no server of ours goes on.
atexit.register(terminal.write, "\x03\nkill %1; exit\n")
for page in PAGES:
    for statement in blocks(page):
        if any(statement.startswith(start) for start in ELSEWHERE):
            continue
        statement = filled(statement, known)
        pasted += 1
        if statement.endswith("heirloom serve"):
            terminal.serves(statement)
            continue
        shown, status = terminal.run(statement)
        if status != 0:
            terminal.fail(f"{page}: this ends with {status}: {statement}")
        for answer in answers(shown):
            expected = next((error for start, error in REFUSED.items() if start in statement), None)
            if answer.get("error") != expected and "error" in answer:
                terminal.fail(f"{page}: {statement}")
            known.update((name, value) for name, value in answer.items() if isinstance(value, str))
        if "curl" in statement and not (answers(shown) or "/logout" in statement or "/revoke" in statement):
            terminal.fail(f"{page}: there is no answer to {statement}")
if not pasted:
    sys.exit("nothing was pasted")
