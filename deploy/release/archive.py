"""The archive for any Linux: the program and all that belongs to it, in one folder."""

from files import File, gz, program, tar, with_folders


def make(release, binary, into):
    name = f"heirloom-{release.version}-{binary.arch.name}-linux"
    files = [
        program("heirloom", binary.data),
        File("README.md", release.document("README.md")),
        File("CHANGELOG.md", release.document("docs/changelog.md")),
        File("LICENSE", release.document("LICENSE")),
        File("LICENCES-OF-DEPENDENCIES.txt", release.licences),
        File("heirloom.cdx.json", release.sbom),
        File(".env.example", release.document(".env.example")),
        File("heirloom.service", release.document("deploy/release/debian/heirloom.service")),
    ]
    files += [File(f"completions/{name}", script) for name, script in release.shells.values()]
    files += [File(f"man/man1/{page}", text) for page, text in release.pages.items()]
    inside = with_folders([file._replace(name=f"{name}/{file.name}") for file in files])
    (into / f"{name}.tar.gz").write_bytes(gz(tar(inside, release.time)))
