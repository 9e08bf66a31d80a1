"""What is made of the sources: the binaries, the licences of what they are built on, and the list of it."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from release import HERE, ROOT, TARGET, Refused, run

PROFILE = "dist"
TOOLS = TARGET / "release-tools"
CARGO_TOOLS = {"cargo-about": "0.9.3", "cargo-cyclonedx": "0.5.9"}


def say(text):
    print(f"deploy/release: {text}", file=sys.stderr, flush=True)


def refuse_unfinished_tree():
    changed = run("git", "-C", ROOT, "status", "--porcelain").decode()
    if changed:
        first = changed.splitlines()[0][3:]
        raise Refused(f"the tree has changes that no commit holds ({first}): commit them, or stash them")


def python_tools():
    """Zig, which compiles C for any processor, cargo's way to it, and Mozilla's list of authorities."""
    venv, wanted = TOOLS / "venv", (HERE / "requirements.txt").read_text()
    noted = venv / "installed"
    if not noted.exists() or noted.read_text() != wanted:
        say(f"installing {', '.join(wanted.split())} with pip")
        run(sys.executable, "-m", "venv", "--clear", venv)
        run(venv / "bin/python", "-m", "pip", "install", "--quiet", "--requirement", HERE / "requirements.txt")
        noted.write_text(wanted)
    return venv / "bin"


def cargo_tool(name):
    path = TOOLS / f"{name}-{CARGO_TOOLS[name]}"
    if not path.exists():
        say(f"building {name} {CARGO_TOOLS[name]} with cargo")
        features = ["--features", "cli"] if name == "cargo-about" else []
        install = ["cargo", "install", "--quiet", "--locked", "--version", CARGO_TOOLS[name], "--root", path, *features]
        subprocess.run([*install, name], check=True, env={**os.environ, "CARGO_TARGET_DIR": str(TOOLS / "target")})
    return path / "bin" / name


def compile(arch):
    """The static binary for a processor; gives its path."""
    target = f"{arch}-unknown-linux-musl"
    if not shutil.which("cargo"):
        raise Refused("cargo is missing: install Rust, https://rustup.rs")
    installed = run("rustup", "target", "list", "--installed").decode().split() if shutil.which("rustup") else [target]
    if target not in installed:
        raise Refused(f"Rust has no libraries for {target}: rustup target add {target}")
    say(f"compiling for {arch}, which takes some ten minutes")
    env = {**os.environ, "PATH": f"{python_tools()}{os.pathsep}{os.environ['PATH']}"}
    build = ["cargo", "zigbuild", "--locked", "--profile", PROFILE, "--target", target, "-p", "heirloom", "--bin", "heirloom"]
    if subprocess.run(build, cwd=ROOT, env=env).returncode != 0:
        raise Refused(f"heirloom does not compile for {target}: what the compiler said is above")
    return TARGET / target / PROFILE / "heirloom"


def licences():
    """The texts of all licences under which something is in the binaries: from the crates themselves, from no service."""
    run("cargo", "fetch", "--locked", cwd=ROOT)
    about = ["--manifest-path", ROOT / "Cargo.toml", "--config", HERE / "about.toml", "--frozen", "--fail"]
    return run(cargo_tool("cargo-about"), "generate", *about, HERE / "about.hbs", cwd=ROOT)


def sbom(time):
    """CycloneDX: all crates that are in the binaries. It is made in a copy, as the tool writes beside each Cargo.toml."""
    with tempfile.TemporaryDirectory() as copy:
        exported = run("git", "-C", ROOT, "archive", "HEAD")
        run("tar", "-x", "-C", copy, input=exported)
        describe = ["--format", "json", "--spec-version", "1.5", "--target", "x86_64-unknown-linux-musl", "--no-build-deps"]
        tool = cargo_tool("cargo-cyclonedx")
        run(tool, "cyclonedx", *describe, cwd=copy, env={**os.environ, "SOURCE_DATE_EPOCH": str(time)})
        made = (pathlib.Path(copy) / "heirloom.cdx.json").read_bytes()
        # It names where the sources lay, which says nothing to anybody and is another place every time.
        return made.replace(copy.encode(), b"/heirloom")


def certificates():
    """Mozilla's authorities. This machine's own may have more of them than anybody else should trust."""
    where = run(python_tools() / "python", "-m", "certifi").decode().strip()
    return pathlib.Path(where).read_bytes()
