"""Programs that tests need and that come from no Python package.

They are downloaded by the scripts in `scripts/`, or as Debian packages with the machine's own apt
settings. All are unpacked into `.countermand/tools/`, which needs no root and installs nothing. A
second run finds them there.
"""

import contextlib
import fcntl
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from support.skips import UnavailableError

ROOT = Path(__file__).parents[2]
APT = "apt-get"  # found on the PATH
TOOLS = ROOT / ".countermand" / "tools"
_CANNOT_RUN_HERE = 3
"""Exit code of the scripts where their programs cannot run; any other failure is an error."""
_KEYRINGS = Path("/usr/share/keyrings")


def fetched(script: str) -> list[str]:
    """Run a script of `scripts/` that fetches programs, and return the lines it prints.

    Raises `UnavailableError` where the programs cannot run, and `RuntimeError` with the log when a
    download fails.
    """
    command = [sys.executable, str(ROOT / "scripts" / script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == _CANNOT_RUN_HERE:
        raise UnavailableError(done.stderr.strip())
    if done.returncode:
        raise RuntimeError(f"scripts/{script} exited with {done.returncode}:\n{done.stderr}")
    return done.stdout.splitlines()


def unpacked(name: str, packages: Sequence[str], suite: str | None = None) -> Path:
    """Unpack packages of the machine's own release, or of a Debian suite, and return the folder.

    Dependencies are not followed: name them. Raises `UnavailableError` on a machine without apt,
    and `RuntimeError` with the log when a download fails.
    """
    if shutil.which(APT) is None or shutil.which("dpkg-deb") is None:
        raise UnavailableError(f"{name}: no apt-get and dpkg-deb on the PATH")
    folder = TOOLS / name
    with _locked(folder):
        stamp = folder / ".packages"
        wanted = " ".join([suite or "", *packages])
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            _unpack(folder, packages, suite)
            stamp.write_text(wanted)
    return folder


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
    """Build options that keep apt out of the system's own lists and let it run without root."""
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
        "Acquire::Retries": "3",
        # Without it, `update` succeeds when every download failed.
        "APT::Update::Error-Mode": "any",
        # The system's hooks clean up the system's lists, which this run does not touch.
        "APT::Update::Post-Invoke-Success": "",
    }
    return [f"-o{name}={value}" for name, value in settings.items()]


def _sources(suite: str | None) -> Iterator[str]:
    if suite is not None:
        yield f"deb {_signed_by('debian')}{mirror()} {suite} main"
        return
    distribution, codename = _release()
    if distribution == "ubuntu":
        archive, components = "http://archive.ubuntu.com/ubuntu", "main universe"
    else:
        archive, components = mirror(), "main"
    # If the installed version is newer than the base release's, only the updates have it.
    for pocket in (codename, f"{codename}-updates"):
        yield f"deb {_signed_by(distribution)}{archive} {pocket} {components}"


def _signed_by(distribution: str) -> str:
    keyring = _KEYRINGS / f"{distribution}-archive-keyring.gpg"
    return f"[signed-by={keyring}] " if keyring.exists() else ""


def mirror() -> str:
    """Return the Debian mirror that this machine already uses, or the public mirror."""
    listed = subprocess.run(
        [APT, "indextargets", "--format", "$(SITE) $(ORIGIN)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    )
    sites = re.findall(r"^(\S+) Debian$", listed.stdout, re.MULTILINE)
    main = [site for site in sites if "security" not in site]
    return main[0] if main else "http://deb.debian.org/debian"


def _release() -> tuple[str, str]:
    """Return the distribution, `debian` or `ubuntu`, and the code name of its release."""
    lines = Path("/etc/os-release").read_text().splitlines()
    system = dict(line.split("=", 1) for line in lines if "=" in line)
    distribution = system.get("ID", "").strip('"')
    if distribution not in {"debian", "ubuntu"}:
        raise UnavailableError(f"no packages for {system.get('PRETTY_NAME', 'this system')}")
    return distribution, system["VERSION_CODENAME"].strip('"')


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a command and return its output; raise `RuntimeError` with both outputs if it fails."""
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        log = f"{' '.join(command)} exited with {done.returncode}:\n{done.stdout}{done.stderr}"
        raise RuntimeError(log)
    return done.stdout


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a lock: two test runs in one tree would unpack over each other."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
