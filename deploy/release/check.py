"""Starts each package of a release once: somebody logs in, and the login is refreshed."""

import gzip
import json
import os
import pathlib
import platform
import secrets
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request

from release import ARCHES, Binary, Refused, needed, run

PASSWORD = "correct horse battery staple"
LARGEST_IMAGE = 40_000_000
# Of ten, as `systemd-analyze security` counts.
WORST_EXPOSURE = 2.0


class Failed(Refused):
    """A package that does not do what it is for."""


def ok(text):
    print(f"    ok: {text}", flush=True)


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    # A proxy of this machine's has no business here.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=120) as answer:
        return json.load(answer)


def log_in_and_refresh(url, name="ana"):
    tokens = post(f"{url}/login", {"username": name, "password": PASSWORD})
    following = post(f"{url}/refresh", {"refresh_token": tokens["refresh_token"]})
    if following["refresh_token"] == tokens["refresh_token"]:
        raise Failed("a refresh handed out the same token")


def serves(what, command, settings=None, arguments=("serve",)):
    """Starts a server on a store of its own, logs somebody in, and stops it in good order."""
    with tempfile.TemporaryDirectory() as folder:
        env = {"PATH": os.environ["PATH"], "HEIRLOOM_LISTEN": "127.0.0.1:0", "HEIRLOOM_DATA_DIR": folder, **(settings or {})}
        how = {"cwd": folder, "env": env, "stdout": subprocess.PIPE}
        with open(f"{folder}/log", "wb") as log:
            server = subprocess.Popen([*command, *arguments], stderr=log, **how)
        try:
            line = server.stdout.readline().decode()
            if " listening on " not in line:
                raise Failed(f"{what} does not serve: {pathlib.Path(folder, 'log').read_text()[-400:]}")
            add = [*command, "user", "add", "ana", "--password-stdin"]
            run(*add, cwd=folder, env=env, input=PASSWORD.encode())
            log_in_and_refresh(line.split(" listening on ")[1].split()[0])
            server.terminate()
            if server.wait(timeout=60) != 0:
                raise Failed(f"{what} ends with {server.returncode}")
        finally:
            server.kill()
            server.wait()
    ok(f"{what} serves, logs in and refreshes")


def archive(path, scratch):
    with tarfile.open(path) as packed:
        packed.extractall(scratch)
    (inside,) = pathlib.Path(scratch).iterdir()
    binary = Binary(inside / "heirloom")
    if not binary.static:
        raise Failed(f"the program in {path.name} needs libraries of the system")
    for part in ("LICENSE", "LICENCES-OF-DEPENDENCIES.txt", "completions/_heirloom", "man/man1/heirloom-serve.1"):
        if not (inside / part).stat().st_size:
            raise Failed(f"{part} in {path.name} is empty")
    if json.loads((inside / "heirloom.cdx.json").read_bytes())["bomFormat"] != "CycloneDX":
        raise Failed(f"{path.name} has no list of what is in it")
    serves(path.name, binary.command())


def deb(path, scratch):
    run(needed("dpkg-deb", "dpkg"), "--extract", path, scratch)
    unit = pathlib.Path(scratch, "usr/lib/systemd/system/heirloom.service")
    run(needed("systemd-analyze", "systemd"), "security", "--offline=true", f"--threshold={int(WORST_EXPOSURE * 10)}", unit)
    ok(f"the unit in {path.name} is exposed less than {WORST_EXPOSURE}")
    # What the unit starts, in the folder where the package lies.
    started = next(line for line in unit.read_text().splitlines() if line.startswith("ExecStart=/")).split("=", 1)[1].split()
    program, *arguments = [f"{scratch}{word}" if word.startswith("/") else word for word in started]
    serves(path.name, Binary(program).command(), arguments=arguments)


def docker_image(path, _scratch):
    packed = len(gzip.compress(path.read_bytes(), 6))
    if packed > LARGEST_IMAGE:
        raise Failed(f"{path.name} has {packed / 1e6:.1f} MB, compressed; {LARGEST_IMAGE / 1e6:.0f} are allowed")
    ok(f"{path.name} has {packed / 1e6:.1f} MB, compressed")
    if ARCHES[platform.machine()].debian not in path.name:
        return
    docker = needed("docker", "docker.io")
    try:
        run(docker, "info")
    except Refused:
        raise Refused("no Docker engine answers: start one, or leave the image out with --only")
    name = f"heirloom-release-{secrets.token_hex(4)}"
    tag = run(docker, "load", "--quiet", "--input", path).decode().split(": ", 1)[1].strip()
    try:
        for start in ("first", "second"):
            serves_in_docker(docker, tag, name, start)
        user = run(docker, "image", "inspect", "--format", "{{.Config.User}}", tag).decode().strip()
        if user in ("", "0", "root", "0:0"):
            raise Failed(f"{path.name} runs as root")
    finally:
        subprocess.run([docker, "volume", "rm", "--force", name], capture_output=True)
        subprocess.run([docker, "image", "rm", "--force", tag], capture_output=True)
    ok(f"{path.name}: docker run alone serves, and what it stored is there after the next")


def serves_in_docker(docker, tag, name, start):
    hardened = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    run(docker, "run", "--detach", "--name", name, "--publish", "127.0.0.1::8080", "--volume", f"{name}:/data", *hardened, tag)
    try:
        url = f"http://{run(docker, 'port', name, '8080').decode().split()[0]}"
        wait_until_ready(docker, name)
        if start == "first":
            run(docker, "exec", "--interactive", name, "heirloom", "user", "add", "ana", "--password-stdin", input=PASSWORD.encode())
        log_in_and_refresh(url)
        run(docker, "stop", "--time", "30", name)
        code = run(docker, "inspect", "--format", "{{.State.ExitCode}}", name).decode().strip()
        if code != "0":
            raise Failed(f"the container ends with {code}")
    finally:
        subprocess.run([docker, "rm", "--force", name], capture_output=True)


def wait_until_ready(docker, name):
    """As the image's own health check asks."""
    for _ in range(100):
        if subprocess.run([docker, "exec", name, "heirloom", "healthcheck"], capture_output=True).returncode == 0:
            return
        time.sleep(0.2)
    raise Failed(f"the container is not ready: {run(docker, 'logs', name).decode()[-400:]}")


def npm(folder, scratch):
    """The packages for this machine, from their files alone."""
    machine = ARCHES[platform.machine()].npm
    files = [path for path in sorted(folder.glob("*.tgz")) if "-linux-" not in path.name or f"-linux-{machine}-" in path.name]
    quiet = ["--offline", "--no-audit", "--no-fund", "--cache", f"{scratch}/cache"]
    pathlib.Path(scratch, "package.json").write_text("{}")
    run(needed("npm", "npm"), "install", *quiet, *files, cwd=scratch)
    serves("npm's package", [f"{scratch}/node_modules/.bin/heirloom"])


def pypi(folder, scratch):
    machine = platform.machine()
    (wheel,) = [path for path in folder.glob("*.whl") if path.name.endswith(f"_{machine}.whl")]
    run(sys.executable, "-m", "venv", f"{scratch}/venv")
    run(f"{scratch}/venv/bin/python", "-m", "pip", "install", "--quiet", "--no-index", wheel)
    serves("PyPI's package", [f"{scratch}/venv/bin/heirloom"])


def everything(folder):
    found = [(archive, path) for path in folder.glob("*.tar.gz")]
    found += [(deb, path) for path in folder.glob("*.deb")]
    found += [(docker_image, path) for path in folder.glob("*-image-*.tar")]
    here = ARCHES[platform.machine()]
    found += [(npm, folder / "npm")] if list(folder.glob(f"npm/*-linux-{here.npm}-*")) else []
    found += [(pypi, folder / "pypi")] if list(folder.glob(f"pypi/*_{here.name}.whl")) else []
    for started, path in found:
        with tempfile.TemporaryDirectory() as scratch:
            started(path, scratch)
