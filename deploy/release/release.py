"""What a release is: its version, its time, and the binaries and texts that its packages are made of."""

import os
import pathlib
import platform
import re
import shutil
import struct
import subprocess
import tempfile
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
TARGET = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
SUMMARY = "An OAuth 2.1 / OpenID Connect authorization server built around refresh-token families"
# Where the sources are, for the packages to name.
HOMEPAGE = os.environ.get("HOMEPAGE")
LICENCE = "Apache-2.0"


class Refused(Exception):
    """A sentence that says what is wrong, and the way on."""


class Arch(NamedTuple):
    """A processor, under the name that each kind of package has for it."""

    name: str
    elf: int
    debian: str
    npm: str


ARCHES = {
    "x86_64": Arch("x86_64", 62, "amd64", "x64"),
    "aarch64": Arch("aarch64", 183, "arm64", "arm64"),
}


def run(*command, **how):
    """Runs a program; gives what it printed. What it said is the error if it fails."""
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise Refused(f"{pathlib.Path(command[0]).name} failed: {said or f'exit code {done.returncode}'}")
    return done.stdout


def needed(tool, package):
    """The path of a tool that is not fetched."""
    found = shutil.which(tool)
    if not found:
        raise Refused(f"{tool} is missing: install it (on Debian: apt-get install {package}), or leave out what needs it")
    return found


class Binary:
    """The program for one processor."""

    def __init__(self, path):
        self.path = pathlib.Path(path).resolve()
        try:
            self.data = self.path.read_bytes()
        except OSError as error:
            raise Refused(f"{path} cannot be read: {error.strerror}; --binary takes a built heirloom")
        self.arch, self.static = read_elf(path, self.data)

    def run(self, *arguments):
        return run(*self.command(), *arguments)

    def command(self):
        """What starts it here: by qemu where this machine is of another kind."""
        if self.arch.name == platform.machine():
            return [str(self.path)]
        return [needed(f"qemu-{self.arch.name}-static", "qemu-user-static"), str(self.path)]


def read_elf(path, data):
    """For which processor it is, and whether it needs nothing of the system that it runs on."""
    arches = {arch.elf: arch for arch in ARCHES.values()}
    if data[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<H", data, 18)[0] not in arches:
        raise Refused(f"{path} is no Linux binary for {' or '.join(ARCHES)}; --binary takes a built heirloom")
    machine, (start,) = struct.unpack_from("<H", data, 18)[0], struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    kinds = [struct.unpack_from("<I", data, start + number * size)[0] for number in range(count)]
    interpreter = 3
    return arches[machine], interpreter not in kinds


class Release(NamedTuple):
    """What all packages of a release share."""

    version: str
    time: int
    licences: bytes
    sbom: bytes
    certificates: bytes
    shells: dict
    pages: dict

    def document(self, name):
        return (ROOT / name).read_bytes()


def version():
    """The one in Cargo.toml, which the list of changes has to know."""
    found = re.search(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    if f"\n## {found}\n" not in (ROOT / "docs/changelog.md").read_text():
        raise Refused(f"docs/changelog.md has no section {found}: write what is new in it, or set another version in Cargo.toml")
    return found


def time():
    """When the commit was made, so that a release built again is the same."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given is None:
        try:
            given = run("git", "-C", ROOT, "log", "-1", "--format=%ct").decode()
        except (OSError, Refused):
            raise Refused("this is no git repository: set SOURCE_DATE_EPOCH to the time of the release, in seconds")
    if not given.strip().isdigit():
        raise Refused(f"SOURCE_DATE_EPOCH is {given!r}: set it to seconds since 1970")
    return int(given)


def completions(binary):
    names = {"bash": "heirloom.bash", "zsh": "_heirloom", "fish": "heirloom.fish"}
    return {shell: (name, binary.run("completions", shell)) for shell, name in names.items()}


def manual(binary):
    with tempfile.TemporaryDirectory() as folder:
        binary.run("man-pages", folder)
        return {page.name: page.read_bytes() for page in sorted(pathlib.Path(folder).iterdir())}
