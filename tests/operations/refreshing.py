"""Apps that refresh one after another, and tell what became of them."""

import base64
import http.client
import json
import threading
import time
import urllib.parse
import uuid


def parts(token):
    """The bytes of a refresh token: key id (4), family (16), generation (4), and what nobody else knows."""
    data = token.removeprefix("hrt1_")
    return base64.urlsafe_b64decode(data + "=" * (-len(data) % 4))


def generation(token):
    return int.from_bytes(parts(token)[20:24], "big")


def family(token):
    return str(uuid.UUID(bytes=parts(token)[4:20]))


class App:
    """One login that refreshes all the time, as an honest app does: what got no answer is asked again with the same
    token, and a refusal is the end."""

    def __init__(self, address, user, password, pause):
        self.host, self.user, self.password, self.pause = address, user, password, pause
        self.connection = None
        self.token = None
        self.refreshed = self.unanswered = 0
        self.lost = None
        self.failures = []
        self.successes = []

    def ask(self, path, body):
        """Status and JSON; status 0 where the answer does not come."""
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection(self.host, timeout=15)
            self.connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            answer = self.connection.getresponse()
            text = answer.read()
            if answer.getheader("Connection", "").lower() == "close":
                self.forget_connection()
            return answer.status, json.loads(text) if text.startswith(b"{") else {"body": text[:200].decode()}
        except (OSError, http.client.HTTPException) as error:
            self.forget_connection()
            return 0, {"error": repr(error)}

    def forget_connection(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def log_in(self):
        status, said = self.ask("/login", {"username": self.user, "password": self.password})
        if status != 200:
            raise RuntimeError(f"no login: {status} {said}")
        self.token = said["refresh_token"]

    def refresh(self):
        status, said = self.ask("/refresh", {"refresh_token": self.token})
        now = time.monotonic()
        if status == 200:
            self.token = said["refresh_token"]
            self.refreshed += 1
            self.successes.append(now)
        elif status in (400, 401, 403):
            self.lost = (status, said)
        else:
            self.unanswered += 1
            self.failures.append((now, status, said))

    def live(self, stop):
        while not stop.is_set() and self.lost is None:
            before = self.unanswered
            self.refresh()
            time.sleep(0.1 if self.unanswered > before else self.pause)


class Load:
    """Several apps, each in a thread of its own, while the block runs."""

    def __init__(self, url, user, password, apps=12, pause=0.02):
        address = urllib.parse.urlsplit(url).netloc
        self.apps = [App(address, user, password, pause) for _ in range(apps)]
        self.stopping = threading.Event()

    def __enter__(self):
        for app in self.apps:
            app.log_in()
        self.began = time.monotonic()
        self.threads = [threading.Thread(target=app.live, args=(self.stopping,), daemon=True) for app in self.apps]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(30)
        self.ended = time.monotonic()

    @property
    def refreshed(self):
        return sum(app.refreshed for app in self.apps)

    @property
    def unanswered(self):
        return sum(app.unanswered for app in self.apps)

    @property
    def failures(self):
        """Status and words of what got no good answer, each kind once."""
        return sorted({(status, json.dumps(said)) for app in self.apps for _, status, said in app.failures})

    @property
    def lost(self):
        return [app.lost for app in self.apps if app.lost]

    def outage(self):
        """The longest time in seconds in which no app at all was served."""
        moments = sorted([self.began, self.ended, *(moment for app in self.apps for moment in app.successes)])
        return max(later - earlier for earlier, later in zip(moments, moments[1:]))

    def longest_wait(self):
        """The longest time in seconds that one app waited to be served."""
        lives = [[self.began, *app.successes, self.ended] for app in self.apps]
        return max(later - earlier for life in lives for earlier, later in zip(life, life[1:]))

    def summary(self):
        return (
            f"{len(self.apps)} logins, {self.refreshed} refreshes in {self.ended - self.began:.1f} s, "
            f"{self.unanswered} tried again, {len(self.lost)} logins lost"
        )
