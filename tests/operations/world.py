"""Real programs for the tests of deploy/: on free ports of the loopback address, ended by who started them."""

import atexit
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
PASSWORD = "correct horse battery staple"


class Failed(Exception):
    """What was to be shown is not so."""


def step(text):
    print(f"\n=== {text}", flush=True)


class Checks:
    """Counts what was shown."""

    def __init__(self):
        self.passed = 0

    def ok(self, what):
        self.passed += 1
        print(f"    ok: {what}", flush=True)

    def that(self, holds, what, otherwise=""):
        if not holds:
            raise Failed(f"{what}{': ' if otherwise else ''}{otherwise}")
        self.ok(what)


def main(run):
    """Runs a test with a world of its own; says how it went, in a line that counts."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    checks = Checks()
    try:
        with World() as world:
            run(world, checks)
    except (AssertionError, Failed, subprocess.CalledProcessError) as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        said = getattr(error, "stderr", None) or f"{where.name}, line {where.lineno}: {where.line}"
        print(f"\nFAILED: {error}\n{said}\n\n{checks.passed} passed, 1 failed")
        sys.exit(1)
    print(f"\n{checks.passed} passed, 0 failed")


def free_port():
    """A port that nobody listens at, below those that connections to elsewhere are given."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as free:
            try:
                free.bind(("", port))
                return port
            except OSError:
                pass


def fetch(url, timeout=10):
    """Status and body of a GET; status 0 where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def eventually(what, holds, seconds=30):
    """Waits until something is so; gives what it is."""
    until = time.monotonic() + seconds
    while True:
        found = holds()
        if found:
            return found
        if time.monotonic() > until:
            raise Failed(f"{what}: not within {seconds} seconds")
        time.sleep(0.1)


def program(name, package):
    """A path that runs a program of a Debian package."""
    command = [ROOT / "tests/program", name, package]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def heirloom_binary():
    """The server: the one that HEIRLOOM names, or this checkout's, which is built."""
    if "HEIRLOOM" in os.environ:
        return os.environ["HEIRLOOM"]
    step("building Heirloom")
    command = ["cargo", "build", "--release", "--all-features", "--workspace", "--bin", "heirloom"]
    subprocess.run(command, check=True, cwd=ROOT)
    return str(TARGET / "release/heirloom")


def server_user():
    """PostgreSQL refuses to run as root; so do its relatives."""
    if os.getuid() != 0:
        return []
    import pwd

    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        user = pwd.getpwnam("nobody")
    return ["setpriv", "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups", "--"]


class Process:
    """A program that runs; what it says is kept in a file."""

    def __init__(self, name, command, log, env=None, cwd=None):
        self.name, self.log = name, log
        with open(log, "ab") as said:
            self.child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=env, cwd=cwd, start_new_session=True
            )

    def said(self):
        return pathlib.Path(self.log).read_text(errors="replace")

    def runs(self):
        return self.child.poll() is None

    def stop(self, seconds=30):
        """In good order; gives its exit code."""
        if self.runs():
            self.child.terminate()
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} does not end") from None

    def kill(self):
        """As a power cut would: with all that it started."""
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.child.wait()


class World:
    """A folder, and the programs that were started in it: both are gone in the end."""

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="heirloom-"))
        self.folder.chmod(0o755)
        self.processes, self.databases = [], []
        atexit.register(self.close)
        return self

    def __exit__(self, kind, error, _):
        if isinstance(error, (AssertionError, Failed)):
            for process in self.processes:
                tail = "\n".join(process.said().splitlines()[-15:])
                print(f"--- {process.name} ({'runs' if process.runs() else 'has ended'})\n{tail}")
        self.close()

    def close(self):
        for process in reversed(self.processes):
            process.kill()
        for database in self.databases:
            subprocess.run([ROOT / "tests/postgres", "kill", database], check=False)
        self.processes, self.databases = [], []
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, name, command, **more):
        process = Process(name, command, self.folder / f"{name}.log", **more)
        self.processes.append(process)
        return process

    def postgres(self, name="postgres", *options):
        """A PostgreSQL as durable as in production; gives its URL."""
        folder = self.folder / name
        self.databases.append(folder)
        command = [ROOT / "tests/postgres", "start", folder, "", *options]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def configured(self, path, changes, name=None):
        """A file of deploy/ with what differs here put in: patterns, each of which must be found."""
        text = (ROOT / path).read_text()
        for pattern, value in changes.items():
            text, count = re.subn(pattern, lambda _, value=value: value, text, flags=re.M)
            if not count:
                raise Failed(f"{path} has no {pattern}")
        file = self.folder / (name or pathlib.Path(path).name)
        file.write_text(text)
        return file


class Heirloom:
    """A server's settings, and its commands."""

    def __init__(self, world, database, binary, **settings):
        self.world, self.binary = world, binary
        self.env = {
            "HEIRLOOM_DATABASE_URL": database,
            "HEIRLOOM_MASTER_KEY_FILE": str(world.folder / "master.key"),
            "HEIRLOOM_DATA_DIR": str(world.folder / "data"),
            # Many sign in at once, and this is no test of argon2id.
            "HEIRLOOM_PASSWORDS__MEMORY_KIB": "8",
            "HEIRLOOM_PASSWORDS__ITERATIONS": "1",
            "HEIRLOOM_HTTP__DRAIN_DELAY": "2s",
            **settings,
        }
        key = world.folder / "master.key"
        if not key.exists():
            key.touch(0o600)
            key.write_text(self.run("keys", "new-master"))

    def with_binary(self, binary):
        other = object.__new__(Heirloom)
        other.world, other.binary, other.env = self.world, binary, self.env
        return other

    def run(self, *arguments, said=""):
        """Runs a command that must succeed; gives what it prints."""
        command = [self.binary, *arguments]
        done = subprocess.run(command, input=said, env=self.env, cwd=self.world.folder, capture_output=True, text=True)
        if done.returncode:
            raise Failed(f"heirloom {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def refused(self, *arguments):
        """Runs a command that must fail; gives what it says."""
        command = [self.binary, *arguments]
        done = subprocess.run(command, env=self.env, cwd=self.world.folder, capture_output=True, text=True)
        if not done.returncode:
            raise Failed(f"heirloom {' '.join(arguments)} was not refused: {done.stdout}")
        return done.stderr

    def serve(self, name, port, metrics_port=None):
        """A replica that is ready."""
        env = {**self.env, "HEIRLOOM_LISTEN": f"127.0.0.1:{port}"}
        if metrics_port:
            env["HEIRLOOM_METRICS__LISTEN"] = f"127.0.0.1:{metrics_port}"
        process = self.world.start(name, [self.binary, "serve"], env=env, cwd=self.world.folder)

        def is_ready():
            if not process.runs():
                raise Failed(f"{name} ended: {process.said().strip().splitlines()[-1:]}")
            return fetch(f"http://127.0.0.1:{port}/readyz")[0] == 200

        eventually(f"{name} is ready", is_ready)
        return process

    def json(self, *arguments):
        return json.loads(self.run(*arguments, "--json"))


def balance(world, ports):
    """HAProxy before the replicas `one` and `two`, as deploy/ha has it."""
    config = world.configured(
        "deploy/ha/haproxy-heirloom.cfg",
        {
            r"maxconn 20000": "maxconn 1000",
            r"bind :443 .*$": f"bind 127.0.0.1:{ports['haproxy']}",
            r"10\.0\.0\.11:8080": f"127.0.0.1:{ports['one']}",
            r"10\.0\.0\.12:8080": f"127.0.0.1:{ports['two']}",
        },
    )
    world.start("haproxy", [program("haproxy", "haproxy"), "-db", "-f", config])
    eventually("HAProxy serves", lambda: fetch(f"http://127.0.0.1:{ports['haproxy']}/readyz")[0] == 200)
