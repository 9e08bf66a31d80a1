"""The package for PyPI: a wheel whose script is the program itself."""

import base64
import hashlib
import io
import time
import zipfile

from files import File, program
from release import HERE, HOMEPAGE, LICENCE, SUMMARY

# The name `heirloom` is somebody else's there; the command is `heirloom` all the same.
NAME = "heirloom-server"


def tags(binary):
    """A static program runs on any Linux. (PEP 600, PEP 656.) Another one runs where it was built, and PyPI refuses it."""
    arch = binary.arch.name
    if not binary.static:
        return [f"linux_{arch}"]
    return [f"manylinux_2_17_{arch}", f"manylinux2014_{arch}", f"musllinux_1_1_{arch}"]


def metadata(release):
    readme = (HERE / "wheel-readme.md").read_text()
    home = f"Project-URL: Homepage, {HOMEPAGE}\n" if HOMEPAGE else ""
    return f"""Metadata-Version: 2.4
Name: {NAME}
Version: {release.version}
Summary: {SUMMARY}
{home}License-Expression: {LICENCE}
License-File: LICENSE
License-File: LICENCES-OF-DEPENDENCIES.txt
Keywords: oauth2,openid-connect,authorization-server,refresh-token
Requires-Python: >=3.8
Description-Content-Type: text/markdown

{readme}"""


def record(files, info):
    def row(file):
        digest = base64.urlsafe_b64encode(hashlib.sha256(file.data).digest()).rstrip(b"=").decode()
        return f"{file.name},sha256={digest},{len(file.data)}\n"

    return File(f"{info}/RECORD", ("".join(map(row, files)) + f"{info}/RECORD,,\n").encode())


def make(release, binary, into):
    stem = f"{NAME.replace('-', '_')}-{release.version}"
    info = f"{stem}.dist-info"
    wheel = "Wheel-Version: 1.0\nGenerator: deploy/release/build\nRoot-Is-Purelib: false\n"
    wheel += "".join(f"Tag: py3-none-{tag}\n" for tag in tags(binary))
    files = [
        program(f"{stem}.data/scripts/heirloom", binary.data),
        File(f"{info}/METADATA", metadata(release).encode()),
        File(f"{info}/WHEEL", wheel.encode()),
        File(f"{info}/licenses/LICENSE", release.document("LICENSE")),
        File(f"{info}/licenses/LICENCES-OF-DEPENDENCIES.txt", release.licences),
    ]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for file in [*files, record(files, info)]:
            entry = zipfile.ZipInfo(file.name, time.gmtime(max(release.time, 315532800))[:6])
            entry.external_attr = (0o100000 | file.mode) << 16
            entry.create_system, entry.compress_type = 3, zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.data)
    (into / "pypi").mkdir(exist_ok=True)
    (into / f"pypi/{stem}-py3-none-{'.'.join(tags(binary))}.whl").write_bytes(packed.getvalue())
