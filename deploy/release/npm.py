"""The packages for npm: one that starts the program, and one for each processor that carries it. Nothing is fetched and
no script runs at the installation: npm itself takes the package that fits the machine."""

import json

from files import File, gz, program, tar
from release import ARCHES, HERE, HOMEPAGE, LICENCE, SUMMARY


def about(release, name, **more):
    shared = {
        "name": name,
        "version": release.version,
        "description": SUMMARY,
        "license": LICENCE,
    }
    if HOMEPAGE:
        shared["homepage"], shared["repository"] = HOMEPAGE, {"type": "git", "url": f"git+{HOMEPAGE}.git"}
    return File("package.json", (json.dumps({**shared, **more}, indent=2) + "\n").encode())


def pack(release, into, name, files):
    inside = sorted(file._replace(name=f"package/{file.name}") for file in files)
    (into / "npm").mkdir(exist_ok=True)
    (into / f"npm/{name}-{release.version}.tgz").write_bytes(gz(tar(inside, release.time)))


def make(release, binary, into):
    name = f"heirloom-linux-{binary.arch.npm}"
    fits = {"os": ["linux"], "cpu": [binary.arch.npm]}
    if not binary.static:
        fits["libc"] = ["glibc"]
    texts = [
        File("LICENSE", release.document("LICENSE")),
        File("LICENCES-OF-DEPENDENCIES.txt", release.licences),
        File("README.md", f"The program of the package `heirloom`, for Linux on {binary.arch.npm}.\n".encode()),
    ]
    pack(release, into, name, [about(release, name, **fits), program("bin/heirloom", binary.data), *texts])


def make_launcher(release, into):
    carriers = {f"heirloom-linux-{arch.npm}": release.version for arch in ARCHES.values()}
    more = {
        "keywords": ["oauth2", "openid-connect", "authorization-server", "refresh-token"],
        "bin": {"heirloom": "heirloom.js"},
        "engines": {"node": ">=18"},
        "optionalDependencies": carriers,
    }
    files = [
        about(release, "heirloom", **more),
        program("heirloom.js", (HERE / "npm/heirloom.js").read_bytes()),
        File("README.md", (HERE / "npm/README.md").read_bytes()),
        File("LICENSE", release.document("LICENSE")),
    ]
    pack(release, into, "heirloom", files)
