"""The container image, of one layer on nothing: written as an OCI layout that `docker load` takes, too."""

import hashlib
import json
from datetime import datetime, timezone

from files import File, folder, gz, program, tar, with_folders
from release import HOMEPAGE, LICENCE, SUMMARY

USER = 10001
ACCOUNTS = f"root:x:0:0:root:/:/sbin/nologin\nheirloom:x:{USER}:{USER}:Heirloom:/data:/sbin/nologin\n"
GROUPS = f"root:x:0:\nheirloom:x:{USER}:\n"
SECOND = 1_000_000_000


def layer(release, binary):
    return with_folders(
        [
            program("usr/local/bin/heirloom", binary.data),
            File("etc/ssl/certs/ca-certificates.crt", release.certificates),
            File("etc/passwd", ACCOUNTS.encode()),
            File("etc/group", GROUPS.encode()),
            File("usr/share/doc/heirloom/LICENSE", release.document("LICENSE")),
            File("usr/share/doc/heirloom/LICENCES-OF-DEPENDENCIES.txt", release.licences),
            File("usr/share/doc/heirloom/heirloom.cdx.json", release.sbom),
            folder("data", 0o700, USER),
            folder("tmp", 0o1777),
        ]
    )


def config(release, binary, unpacked):
    """The image's configuration: what deploy/Dockerfile says, for a registry and for Docker's health checks."""
    made = datetime.fromtimestamp(release.time, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    settings = {
        "User": f"{USER}:{USER}",
        "ExposedPorts": {"8080/tcp": {}},
        "Env": [
            "PATH=/usr/local/bin",
            "HEIRLOOM_LISTEN=0.0.0.0:8080",
            "HEIRLOOM_DATA_DIR=/data",
            "HEIRLOOM_HTTP__DRAIN_DELAY=5s",
        ],
        "Entrypoint": ["heirloom"],
        "Cmd": ["serve"],
        "Volumes": {"/data": {}},
        "WorkingDir": "/data",
        "StopSignal": "SIGTERM",
        "Healthcheck": {
            "Test": ["CMD", "heirloom", "healthcheck"],
            "Interval": 10 * SECOND,
            "Timeout": 6 * SECOND,
            "StartPeriod": 10 * SECOND,
        },
        "Labels": {
            "org.opencontainers.image.title": "Heirloom",
            "org.opencontainers.image.description": SUMMARY,
            "org.opencontainers.image.licenses": LICENCE,
            **({"org.opencontainers.image.source": HOMEPAGE} if HOMEPAGE else {}),
            "org.opencontainers.image.version": release.version,
        },
    }
    return {
        "created": made,
        "architecture": binary.arch.debian,
        "os": "linux",
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(unpacked).hexdigest()}"]},
        "history": [{"created": made, "created_by": "deploy/release/build"}],
    }


def make(release, binary, into):
    blobs = {}

    def blob(data, kind):
        digest = hashlib.sha256(data).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = data
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(data)}

    unpacked = tar(layer(release, binary), release.time)
    configuration = blob(json.dumps(config(release, binary, unpacked)).encode(), "config.v1+json")
    packed = blob(gz(unpacked), "layer.v1.tar+gzip")
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json"}
    listed = blob(json.dumps({**manifest, "config": configuration, "layers": [packed]}).encode(), "manifest.v1+json")
    tag = f"heirloom:{release.version}"
    listed["annotations"] = {"io.containerd.image.name": f"docker.io/library/{tag}", "org.opencontainers.image.ref.name": release.version}

    def path(part):
        return f"blobs/{part['digest'].replace(':', '/')}"

    loaded = [{"Config": path(configuration), "RepoTags": [tag], "Layers": [path(packed)]}]
    top = {
        "oci-layout": {"imageLayoutVersion": "1.0.0"},
        "index.json": {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [listed]},
        "manifest.json": loaded,
    }
    files = [File(name, data) for name, data in blobs.items()]
    files += [File(name, json.dumps(document).encode()) for name, document in top.items()]
    name = f"heirloom-{release.version}-image-{binary.arch.debian}.tar"
    (into / name).write_bytes(tar(with_folders(files), release.time))
