"""A Docker engine for the tests: the machine's own, or one started from Debian's packages.

Our own engine keeps its data in `.countermand/docker/`, listens on its own socket, and stops with
the tests. It needs root, because it creates network devices and mounts.
"""

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from support.skips import UnavailableError
from support.tools import ROOT, run, unpacked

_PACKAGES = (
    *("docker.io", "containerd", "runc", "iptables"),
    # Libraries of iptables that a slim machine lacks.
    *("libip4tc2", "libip6tc2", "libmnl0", "libnetfilter-conntrack3"),
    *("libnfnetlink0", "libnftnl11", "libxtables12"),
)
_SUITE = "bookworm"  # its programs also run with the C library of later releases
_PLUGINS = ("docker-compose", "docker-buildx")
_PLUGIN_SUITE = "trixie"  # the first Debian with compose v2 as a plugin
_CAP_NET_ADMIN, _CAP_SYS_ADMIN = 12, 21
_START_SECONDS = 60
_KERNEL_REFUSAL = re.compile(
    r"failed to start.*"
    r"(operation not permitted|permission denied|read-only file system|not supported)",
    re.IGNORECASE,
)
"""The daemon's last words where it has the capabilities, but the kernel still refuses."""


class Docker:
    """The `docker` command for one engine."""

    def __init__(self, environment: Mapping[str, str], *, own: bool) -> None:
        self.environment = dict(environment)
        self.own = own

    def run(self, *arguments: str, check: bool = True, seconds: float = 300) -> str:
        """Run a command and return its output; raise `RuntimeError` with both if it fails."""
        done = self.attempt(*arguments, seconds=seconds)
        if check and done.returncode:
            command = f"docker {' '.join(arguments)}"
            log = f"{command} exited with {done.returncode}:\n{done.stdout}{done.stderr}"
            raise RuntimeError(log)
        return done.stdout

    def attempt(
        self, *arguments: str, seconds: float = 300, variables: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["docker", *arguments],  # noqa: S607 - found on the PATH in the environment
            cwd=ROOT,
            env=self.environment | dict(variables or {}),
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )

    def make(self, target: str) -> str:
        """Make a target of the Makefile, as users do."""
        return run(["make", target], ROOT, self.environment)

    def answers(self) -> bool:
        try:
            return self.attempt("version", "--format", "{{.Server.Version}}").returncode == 0
        except (OSError, subprocess.TimeoutExpired):
            return False


@contextlib.contextmanager
def engine() -> Iterator[Docker]:
    """Provide a Docker engine that answers; raise `UnavailableError` if none can run here."""
    found = Docker({**os.environ, "DOCKER_BUILDKIT": "1"}, own=False)
    if found.answers():
        yield _with_plugins(found)
        return
    _refuse_without_rights()
    folder = ROOT / ".countermand" / "docker"
    folder.mkdir(parents=True, exist_ok=True)
    # Not in the tree, because the path of a socket has at most 107 characters.
    run = Path(tempfile.mkdtemp(prefix="countermand-docker-"))
    environment = _environment(run)
    with (folder / "dockerd.log").open("wb") as log:
        daemon = subprocess.Popen(
            [  # noqa: S607 - found on the PATH in the environment
                "dockerd",
                *("--host", environment["DOCKER_HOST"]),
                *("--data-root", str(folder / "data")),
                *("--exec-root", str(run / "exec")),
                *("--pidfile", str(run / "dockerd.pid")),
            ],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        docker = Docker(environment, own=True)
        _await(docker, daemon, folder / "dockerd.log")
        yield docker
    finally:
        _end(daemon)
        shutil.rmtree(run, ignore_errors=True)


def _end(daemon: "subprocess.Popen[bytes]") -> None:
    daemon.terminate()
    try:
        daemon.wait(30)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()


def _with_plugins(docker: Docker) -> Docker:
    """Add compose and buildx from Debian if the machine's own Docker lacks them."""
    if all(docker.attempt(plugin, "version").returncode == 0 for plugin in ("compose", "buildx")):
        return docker
    config = {"DOCKER_CONFIG": str(_plugins())}
    return Docker(docker.environment | config, own=False)


def _refuse_without_rights() -> None:
    """Raise `UnavailableError` unless this process is root with the capabilities of an engine."""
    status = Path("/proc/self/status")
    if not status.exists():
        raise UnavailableError("no Docker engine answers, and only Linux can start one")
    fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
    capabilities = int(fields["CapEff"], 16)
    if not all(capabilities >> bit & 1 for bit in (_CAP_NET_ADMIN, _CAP_SYS_ADMIN)):
        raise UnavailableError(
            "no Docker engine answers, and starting one needs root with CAP_SYS_ADMIN and "
            "CAP_NET_ADMIN"
        )


def _environment(run: Path) -> dict[str, str]:
    usr = unpacked("docker", _PACKAGES, _SUITE) / "usr"
    links = run / "bin"
    links.mkdir()
    for name, program in {
        # Debian selects the variant at installation, and nothing is installed here.
        "iptables": "xtables-nft-multi",
        "ip6tables": "xtables-nft-multi",
    }.items():
        (links / name).symlink_to(usr / "sbin" / program)
    libraries = next((usr / "lib").glob("*-linux-gnu*"))
    return {
        **os.environ,
        "PATH": f"{links}:{usr / 'sbin'}:{usr / 'bin'}:{os.environ['PATH']}",
        "LD_LIBRARY_PATH": str(libraries),
        "XTABLES_LIBDIR": str(libraries / "xtables"),
        "DOCKER_HOST": f"unix://{run / 'docker.sock'}",
        "DOCKER_CONFIG": str(_plugins()),
        "DOCKER_BUILDKIT": "1",
    }


def _plugins() -> Path:
    """Return a folder for DOCKER_CONFIG that contains the plugins."""
    folder = unpacked("docker-plugins", _PLUGINS, _PLUGIN_SUITE)
    links = folder / "cli-plugins"
    if not links.exists():
        links.symlink_to("usr/libexec/docker/cli-plugins")
    return folder


def _await(docker: Docker, daemon: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while daemon.poll() is None and time.monotonic() < end:
        if docker.answers():
            return
        time.sleep(0.2)
    text = log.read_text(errors="replace")
    if refusal := _KERNEL_REFUSAL.search(text):
        raise UnavailableError(f"no Docker engine answers, and a new one {refusal[0]}")
    tail = "\n".join(text.splitlines()[-15:])
    raise RuntimeError(f"Docker engine: did not start within {_START_SECONDS} s:\n{tail}")
