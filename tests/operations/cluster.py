"""Two PostgreSQL servers under Patroni, with etcd, and HAProxy and PgBouncer before them, as deploy/ha has them."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys

from world import ROOT, TARGET, Failed, eventually, fetch, free_port, program, server_user

PASSWORDS = {"choose-one": "s3", "choose-another": "r3", "choose-a-third": "w3"}


def readable_python():
    """An interpreter that PostgreSQL's user may run, too, and that it may run again by itself, as Patroni does."""
    again = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', '']))"
    for candidate in (sys.executable, "/usr/bin/python3"):
        if not subprocess.run([*server_user(), candidate, "-c", again], capture_output=True, cwd="/").returncode:
            return candidate
    raise Failed("there is no Python that PostgreSQL's user may run")


def patroni_libraries(python):
    """Patroni and what it needs, at the versions that requirements-patroni.txt says."""
    wanted = ROOT / "tests/operations/requirements-patroni.txt"
    kept, note = TARGET / "patroni", TARGET / "patroni/installed"
    if not note.exists() or note.read_text() != f"{python}\n{wanted.read_text()}":
        print("    installing the libraries in tests/operations/requirements-patroni.txt", flush=True)
        shutil.rmtree(kept, ignore_errors=True)
        command = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check"]
        command += ["--no-warn-conflicts", "--root-user-action=ignore"]
        subprocess.run([*command, "--target", kept, "--requirement", wanted], check=True)
        note.write_text(f"{python}\n{wanted.read_text()}")
    return kept


def give(path):
    """Lets PostgreSQL's user have a file or folder."""
    if os.getuid() == 0:
        shutil.chown(path, int(server_user()[2]), int(server_user()[4]))
    return path


def children(pid):
    found = []
    for status in pathlib.Path("/proc").glob("[0-9]*/status"):
        try:
            if f"\nPPid:\t{pid}\n" in status.read_text():
                found.append(int(status.parent.name))
        except OSError:
            pass  # It has ended meanwhile.
    return found


class Node:
    """A PostgreSQL server and the Patroni that minds it."""

    def __init__(self, cluster, name, host):
        self.cluster, self.name, self.host = cluster, name, host
        self.port, self.api = free_port(), free_port()
        self.folder = cluster.world.folder / name
        self.folder.mkdir()
        give(self.folder)
        self.process = None
        self.starts = 0

    def config(self, tells_heirloom=False):
        changes = {
            "^name: one": f"name: {self.name}",
            r"10\.0\.0\.21:8008": f"{self.host}:{self.api}",
            r"10\.0\.0\.21:5432": f"{self.host}:{self.port}",
            r"10\.0\.0\.2[123]:2379": self.cluster.etcd,
            r"10\.0\.0\.0/24": "127.0.0.0/8",
            r"data_dir: .*": f"data_dir: {self.folder}/data",
            r"bin_dir: .*": f"bin_dir: {self.cluster.programs}",
            r"pgpass: .*": f"pgpass: {self.folder}/pgpass",
            # Debian's folder for sockets is not everybody's.
            r"^  pg_hba:": f"  parameters:\n    unix_socket_directories: {self.folder}\n  pg_hba:",
            **PASSWORDS,
        }
        if tells_heirloom:
            changes[r"^  # callbacks:"] = "  callbacks:"
            changes[r"^  #   on_role_change: .*"] = f"    on_role_change: {self.folder}/promoted.sh"
        file = self.cluster.world.configured("deploy/ha/patroni.yml", changes, f"{self.name}.yml")
        file.chmod(0o644)
        return file

    def validate(self):
        """What `patroni --validate-config` says of the file: nothing, if it is good."""
        done = subprocess.run(
            self.cluster.patroni("-m", "patroni", "--validate-config", self.config()),
            capture_output=True,
            text=True,
            env=self.cluster.env(self),
            cwd="/",
        )
        return "" if done.returncode == 0 else done.stdout + done.stderr

    def start(self):
        command = self.cluster.patroni("-m", "patroni", self.config())
        self.starts += 1
        name = f"patroni-{self.name}-{self.starts}"
        self.process = self.cluster.world.start(name, command, env=self.cluster.env(self), cwd="/")

    def tell_heirloom(self):
        """Has Patroni call the hook from now on."""
        self.config(tells_heirloom=True)
        os.kill(self.process.child.pid, signal.SIGHUP)

    def freeze(self):
        """The machine is silent from now on: it answers nothing, and refuses nothing."""
        postmaster = int((self.folder / "data/postmaster.pid").read_text().split()[0])
        frozen = [self.process.child.pid, postmaster]
        # Each stops before its children are looked for, so that there are no more of them.
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
            frozen += children(pid)

    def kill(self):
        """As a power cut would, with its PostgreSQL."""
        self.process.kill()
        subprocess.run([ROOT / "tests/postgres", "kill", self.folder], check=True)

    def is_at(self, place):
        return fetch(f"http://{self.host}:{self.api}/{place}", timeout=3)[0] == 200

    def sql(self, statement, database="postgres"):
        url = f"postgres://postgres:{PASSWORDS['choose-one']}@{self.host}:{self.port}/{database}"
        done = self.cluster.psql(url, statement)
        done.check_returncode()
        return done.stdout.strip()


class Cluster:
    def __init__(self, world):
        self.world = world
        command = [ROOT / "tests/postgres", "bin"]
        self.programs = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        self.python = readable_python()
        # PostgreSQL's user may not be let into the checkout.
        self.libraries = world.folder / "patroni"
        shutil.copytree(patroni_libraries(self.python), self.libraries)
        self.etcd = f"127.0.0.1:{free_port()}"
        # Patroni wants addresses that others could reach, and so refuses 127.0.0.1.
        self.nodes = [Node(self, "one", "127.0.0.2"), Node(self, "two", "127.0.0.3")]
        self.haproxy_port, self.pgbouncer_port = free_port(), free_port()

    def patroni(self, *arguments):
        return [*server_user(), self.python, *arguments]

    def env(self, node=None):
        path = os.environ["PATH"]
        env = {"PATH": path, "PYTHONPATH": str(self.libraries), "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C"}
        if node:
            env |= {"PROMOTED_ENV": f"{node.folder}/promoted.env", "PATH": f"{node.folder}:{path}"}
        return env

    def start_etcd(self):
        client, peer = f"http://{self.etcd}", f"http://127.0.0.1:{free_port()}"
        options = {
            "data-dir": self.world.folder / "etcd",
            "name": "one",
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"one={peer}",
        }
        command = [f"--{name}={value}" for name, value in options.items()]
        self.world.start("etcd", [program("etcd", "etcd-server"), *command])
        eventually("etcd is healthy", lambda: fetch(f"http://{self.etcd}/health")[0] == 200)

    def start(self):
        for node in self.nodes:
            node.start()
        eventually("there is a primary", lambda: self.primary(), 90)
        self.wait_for_standby("sync")

    def psql(self, url, statement):
        command = [f"{self.programs}/psql", "-XAt", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", statement]
        return subprocess.run(command, capture_output=True, text=True)

    def primary(self):
        return next((node for node in self.nodes if node.is_at("primary")), None)

    def other(self, node):
        return next(other for other in self.nodes if other is not node)

    def wait_for_standby(self, kind):
        """`sync`: nothing is answered before it has it; `async`: it may lag."""
        eventually(f"there is a standby ({kind})", lambda: any(node.is_at(kind) for node in self.nodes), 90)

    def control(self, *arguments):
        """Runs patronictl."""
        config = self.world.folder / f"{self.nodes[0].name}.yml"
        command = [self.python, self.libraries / "bin/patronictl", "-c", config, *arguments]
        done = subprocess.run(command, env=self.env(), capture_output=True, text=True)
        if done.returncode:
            raise Failed(f"patronictl {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def stand_before(self):
        """Starts HAProxy and PgBouncer; gives the URL through each."""
        one, two = self.nodes
        config = self.world.configured(
            "deploy/ha/haproxy-postgres.cfg",
            {
                r"bind 127\.0\.0\.1:5000": f"bind 127.0.0.1:{self.haproxy_port}",
                r"check port 8008 ": "check ",
                r"10\.0\.0\.21:5432": f"{one.host}:{one.port} port {one.api}",
                r"10\.0\.0\.22:5432": f"{two.host}:{two.port} port {two.api}",
            },
        )
        self.world.start("haproxy-postgres", [program("haproxy", "haproxy"), "-db", "-f", config])
        users = self.world.folder / "userlist.txt"
        users.write_text('"heirloom" "h3"\n')
        config = self.world.configured(
            "deploy/ha/pgbouncer.ini",
            {
                r"port=5000": f"port={self.haproxy_port}",
                r"listen_port = 6432": f"listen_port = {self.pgbouncer_port}\nunix_socket_dir =",
                r"/etc/pgbouncer/userlist\.txt": str(users),
            },
        )
        for file in (users, config):
            give(file)
        self.world.start("pgbouncer", [*server_user(), program("pgbouncer", "pgbouncer"), config])
        ports = self.haproxy_port, self.pgbouncer_port
        urls = [f"postgres://heirloom:h3@127.0.0.1:{port}/heirloom" for port in ports]
        # HAProxy takes every server for the primary until it has asked for the first time, and goes through them in turn.
        def is_open():
            said = [self.psql(url, "SELECT pg_is_in_recovery()").stdout for url in 4 * urls]
            return set(said) == {"f\n"}

        eventually("the ways lead to the primary", is_open)
        return urls
