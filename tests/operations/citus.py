"""Databases of our own on a Citus cluster that is there: made on each of its servers, and gone in the end."""

import subprocess
import urllib.parse
import uuid

from world import ROOT, Failed


class Citus:
    """A cluster, named by the URL of a database on its coordinator whose pg_dist_node lists its servers."""

    def __init__(self, url):
        command = [ROOT / "tests/postgres", "bin"]
        programs = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        self.psql_program = f"{programs}/psql"
        self.given = url
        self.databases = []
        listed = self.psql(url, "SELECT groupid, nodename, nodeport FROM pg_dist_node WHERE noderole = 'primary' ORDER BY 1")
        nodes = [line.split("|") for line in listed.splitlines()]
        place = urllib.parse.urlsplit(url)
        self.coordinator = (place.hostname, str(place.port or 5432))
        self.workers = [(host, port) for group, host, port in nodes if group != "0"]
        if not self.workers:
            raise Failed("TEST_CITUS_URL: its pg_dist_node names no workers")

    def url(self, node, database):
        place = urllib.parse.urlsplit(self.given)
        user = place.netloc.rpartition("@")[0]
        return place._replace(netloc=f"{user}@{':'.join(node)}" if user else ":".join(node), path=f"/{database}").geturl()

    def psql(self, url, *statements, failing=False):
        command = [self.psql_program, "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", url]
        for statement in statements:
            command += ["-c", statement]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode and not failing:
            raise Failed(f"{' '.join(statements)[:200]}: {done.stderr.strip()}")
        return done.stdout.strip()

    def database(self, extension=True):
        """A database of this cluster, empty; gives its name."""
        name = f"heirloom_{uuid.uuid4().hex[:12]}"
        self.databases.append(name)
        for node in (self.coordinator, *self.workers):
            # A database that is made is not made on the other servers unless they are told to.
            self.psql(self.url(node, "postgres"), "SET citus.enable_create_database_propagation = off", f"CREATE DATABASE {name}")
            if extension:
                self.psql(self.url(node, name), "CREATE EXTENSION citus")
        if extension:
            host, port = self.coordinator
            calls = [f"SELECT citus_set_coordinator_host('{host}', {port})"]
            calls += [f"SELECT citus_add_node('{host}', {port})" for host, port in self.workers]
            self.psql(self.url(self.coordinator, name), *calls)
        return name

    def crash(self, node, database):
        """Has a server crash, and recover: a process of its own is killed, and PostgreSQL then ends all others at once."""
        self.psql(self.url(node, database), "COPY (SELECT 1) TO PROGRAM 'kill -KILL $PPID'", failing=True)

    def close(self):
        for name in self.databases:
            for node in (self.coordinator, *self.workers):
                drop = f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"
                self.psql(self.url(node, "postgres"), "SET citus.enable_create_database_propagation = off", drop, failing=True)
        self.databases = []
