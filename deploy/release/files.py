"""Archives that come out the same, byte by byte, from the same content: sorted, owned by root, of one time."""

import gzip
import io
import tarfile
from typing import NamedTuple, Optional


class File(NamedTuple):
    """Something in an archive; without data it is a folder."""

    name: str
    data: Optional[bytes] = None
    mode: int = 0o644
    owner: int = 0


def folder(name, mode=0o755, owner=0):
    return File(name, None, mode, owner)


def program(name, data):
    return File(name, data, 0o755)


def with_folders(files):
    """The same, with the folders that the files are in, each before what is in it."""
    there = {file.name: file for file in files}
    for file in files:
        parts = file.name.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            there.setdefault("/".join(parts[:depth]), folder("/".join(parts[:depth])))
    return [there[name] for name in sorted(there)]


def tar(files, time):
    """The bytes of an uncompressed tar."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for file in files:
            entry = tarfile.TarInfo(file.name)
            entry.mode, entry.uid, entry.gid, entry.mtime = file.mode, file.owner, file.owner, time
            if file.data is None:
                entry.type = tarfile.DIRTYPE
                archive.addfile(entry)
            else:
                entry.size = len(file.data)
                archive.addfile(entry, io.BytesIO(file.data))
    return packed.getvalue()


def gz(data):
    return gzip.compress(data, compresslevel=6, mtime=0)
