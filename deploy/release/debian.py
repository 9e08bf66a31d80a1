"""The package for Debian and its relatives: the service, hardened, under a user of its own."""

import os
import pathlib
import tempfile

from files import File, gz, program, with_folders
from release import HERE, HOMEPAGE, SUMMARY, needed, run

DESCRIPTION = """ Heirloom logs users in, and gives their apps tokens that services verify
 offline. Refresh tokens rotate; a stolen one ends its login, a lost answer
 ends none. It runs on SQLite, or as several replicas on PostgreSQL."""


NEWLINE = "\n"


def control(release, binary, files):
    return f"""Package: heirloom
Version: {release.version}
Architecture: {binary.arch.debian}
Maintainer: Heirloom <heirloom@localhost>
Installed-Size: {sum(len(file.data or b"") for file in files) // 1024}
Depends: adduser
Recommends: ca-certificates
Section: net
Priority: optional
{f"Homepage: {HOMEPAGE}{NEWLINE}" if HOMEPAGE else ""}Description: {SUMMARY.removeprefix("An ")}
{DESCRIPTION}
"""


def content(release, binary):
    share = "usr/share"
    doc = f"{share}/doc/heirloom"
    places = {
        "bash": f"{share}/bash-completion/completions/heirloom",
        "zsh": f"{share}/zsh/vendor-completions/_heirloom",
        "fish": f"{share}/fish/vendor_completions.d/heirloom.fish",
    }
    files = [
        program("usr/bin/heirloom", binary.data),
        File("usr/lib/systemd/system/heirloom.service", (HERE / "debian/heirloom.service").read_bytes()),
        File("etc/heirloom/heirloom.env", (HERE / "debian/heirloom.env").read_bytes(), 0o640),
        File(f"{doc}/copyright", (HERE / "debian/copyright").read_bytes()),
        File(f"{doc}/LICENCES-OF-DEPENDENCIES.txt.gz", gz(release.licences)),
        File(f"{doc}/heirloom.cdx.json.gz", gz(release.sbom)),
        File(f"{doc}/changelog.gz", gz(release.document("docs/changelog.md"))),
        File(f"{doc}/env.example", release.document(".env.example")),
    ]
    files += [File(places[shell], script) for shell, (_, script) in release.shells.items()]
    files += [File(f"{share}/man/man1/{page}.gz", gz(text)) for page, text in release.pages.items()]
    return with_folders(files)


def make(release, binary, into):
    files = content(release, binary)
    scripts = [program(name, (HERE / "debian" / name).read_bytes()) for name in ("postinst", "prerm", "postrm")]
    scripts += [File("control", control(release, binary, files).encode()), File("conffiles", b"/etc/heirloom/heirloom.env\n")]
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        for file in files + with_folders([script._replace(name=f"DEBIAN/{script.name}") for script in scripts]):
            path = scratch / file.name
            if file.data is None:
                path.mkdir()
            else:
                path.write_bytes(file.data)
            path.chmod(file.mode)
        scratch.chmod(0o755)
        name = f"heirloom_{release.version}_{binary.arch.debian}.deb"
        env = {**os.environ, "SOURCE_DATE_EPOCH": str(release.time)}
        build = [needed("dpkg-deb", "dpkg"), "--build", "--root-owner-group", "-Zxz", scratch, into / name]
        run(*build, env=env)
