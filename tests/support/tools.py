"""Programs that tests need and no Python package brings: unpacked from Debian packages.

Nothing is installed: packages are downloaded with the machine's own apt settings and unpacked into
`.countermand/tools/`, which needs no root. A second run finds them there.
"""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parents[2]
APT = "apt-get"  # found on the PATH
TOOLS = ROOT / ".countermand" / "tools"
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class UnavailableError(Exception):
    """A tool cannot be had on this machine; the text says why."""


def unpacked(name: str, packages: Sequence[str], suite: str | None = None) -> Path:
    """A folder with the packages unpacked in it, of the machine's own Debian or of a named suite.

    Dependencies are not followed: name them. Raises `UnavailableError` away from Debian, and
    `RuntimeError` when a download fails.
    """
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise UnavailableError("no apt-get and dpkg-deb: this machine is no Debian")
    folder = TOOLS / name
    with _locked(folder):
        stamp = folder / ".packages"
        wanted = " ".join([suite or "", *packages])
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            _unpack(folder, packages, suite)
            stamp.write_text(wanted)
    return folder


def skip_or_fail(error: Exception) -> NoReturn:
    """Skip where a tool cannot be had; in CI, a tool that should have come and did not, fails."""
    if isinstance(error, UnavailableError) or not os.environ.get("CI"):
        pytest.skip(str(error))
    raise error


def _unpack(folder: Path, packages: Sequence[str], suite: str | None) -> None:
    downloads = folder / "downloads"
    downloads.mkdir(parents=True)
    options = _options(folder / "apt", suite)
    run([APT, *options, "-qq", "update"], downloads)
    run([APT, *options, "-qq", "download", *packages], downloads)
    for package in downloads.glob("*.deb"):
        run(["dpkg-deb", "-x", str(package), str(folder)], downloads)
    shutil.rmtree(downloads)
    shutil.rmtree(folder / "apt")


def _options(state: Path, suite: str | None) -> list[str]:
    """Options that keep apt out of the system's own lists and let it run without root."""
    lists, cache = state / "lists" / "partial", state / "cache" / "archives" / "partial"
    for part in (lists, cache):
        part.mkdir(parents=True)
    sources = state / "sources.list"
    sources.write_text("".join(f"{line}\n" for line in _sources(suite)))
    settings = {
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": lists.parent,
        "Dir::Cache": cache.parent.parent,
        "Debug::NoLocking": "1",
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
        # Their clean-up is for the system's lists, and not ours to start.
        "APT::Update::Post-Invoke-Success": "",
    }
    return [f"-o{name}={value}" for name, value in settings.items()]


def _sources(suite: str | None) -> Iterator[str]:
    signed = f"[signed-by={_KEYRING}] " if _KEYRING.exists() else ""
    own = suite or _codename()
    yield f"deb {signed}{mirror()} {own} main"
    if suite is None:
        # Where the base suite has an older version than is installed, this has the newer one.
        yield f"deb {signed}{mirror()} {own}-updates main"


def mirror() -> str:
    """The Debian mirror that this machine uses already."""
    listed = subprocess.run(
        [APT, "indextargets", "--format", "$(SITE) $(ORIGIN)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    )
    sites = re.findall(r"^(\S+) Debian$", listed.stdout, re.MULTILINE)
    main = [site for site in sites if "security" not in site]
    return main[0] if main else "http://deb.debian.org/debian"


def _codename() -> str:
    system = dict(
        line.split("=", 1)
        for line in Path("/etc/os-release").read_text().splitlines()
        if "=" in line
    )
    if system.get("ID", "").strip('"') != "debian":
        raise UnavailableError(f"{system.get('PRETTY_NAME', 'this system')} is no Debian")
    return system["VERSION_CODENAME"].strip('"')


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """What the command printed; `RuntimeError` with both its outputs when it fails."""
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        told = f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        raise RuntimeError(told)
    return done.stdout


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time: two test runs in one tree would unpack over each other."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
