"""The images that tests need: real images if a registry answers, otherwise stand-ins.

A stand-in has the name of the real image and, except for Grafana, the real software, from PyPI,
npm, or Debian, so docker-compose.yml runs unmodified. Stand-ins carry a label. Each run rebuilds
them from Docker's cache, and removes them at the end from an engine that is not ours.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from support.engine import Docker
from support.tools import ROOT, TOOLS, mirror, run, unpacked

BASE = "python:3.13-slim-trixie"
_LABEL = "countermand.stand-in"
_STANDINS = Path(__file__).parents[1] / "docker" / "standins"
_TOOLS_IMAGE = "countermand-stand-in-tools"
_FOLDERS = {
    _TOOLS_IMAGE: "tools",
    "localstack/localstack": "localstack",
    "motoserver/moto": "moto",
    "maildev/maildev": "maildev",
    "prom/prometheus": "prometheus",
    "grafana/grafana": "grafana",
}
_TRUSTED = Path("/etc/ssl/certs/ca-certificates.crt")


def provide(docker: Docker, images: Iterable[str]) -> None:
    """Pull the base and the images, or build stand-ins for them."""
    if _pulled(docker, BASE, seconds=120):
        for image in images:
            if not _pulled(docker, image, seconds=600):
                raise RuntimeError(f"{image}: cannot be pulled, unlike {BASE}. Check its tag.")
        return
    _build_base(docker)
    _build(docker, _TOOLS_IMAGE)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda image: _build(docker, image), images))


def tidy(docker: Docker) -> None:
    """Remove what no later run needs.

    From an engine that is not ours, this includes the stand-ins and the images built on them:
    Docker would not pull a real image while a stand-in has its name.
    """
    if not docker.own:
        which = ("--filter", f"label={_LABEL}", "--filter", "dangling=false")
        found = docker.run("image", "ls", *which, "--format", "{{.Repository}}:{{.Tag}}")
        if names := found.split():
            docker.run("image", "rm", "--force", *names)
    docker.run("image", "prune", "--force", "--filter", f"label={_LABEL}")


def _pulled(docker: Docker, image: str, seconds: float) -> bool:
    """Return whether the real image is present or could be pulled."""
    known = docker.attempt("image", "inspect", "--format", "{{json .Config.Labels}}", image)
    if known.returncode == 0:
        return _LABEL not in known.stdout
    try:
        return docker.attempt("pull", "--quiet", image, seconds=seconds).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _build_base(docker: Docker) -> None:
    context = _context("base")
    shutil.copy(_root_filesystem(), context / "rootfs.tar")
    shutil.copy(_TRUSTED, context)
    docker.run("build", "--progress=plain", "--label", _LABEL, "--tag", BASE, str(context))


def _root_filesystem() -> Path:
    """Build an archive of Debian 13 with its Python 3.13, kept for the next run."""
    programs = unpacked("mmdebstrap", ["mmdebstrap"]) / "usr/bin"
    archive = TOOLS / "trixie.tar"
    if not archive.exists():
        fresh = archive.with_name("trixie-new.tar")
        options = [
            "--quiet",
            "--variant=minbase",
            "--include=ca-certificates,python3,python3-venv,python3-pip",
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-exclude=/usr/share/locale/*",
            "--dpkgopt=path-exclude=/usr/share/man/*",
            *(f"--aptopt={option}" for option in _apt_checks()),
        ]
        # mmdebstrap looks for its mmtarfilter on the PATH, not beside itself.
        environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
        command = [str(programs / "mmdebstrap"), *options, "trixie", str(fresh), mirror()]
        run(command, TOOLS, environment)
        fresh.replace(archive)
    return archive


def _apt_checks() -> list[str]:
    """Return how this machine's apt checks dates: a frozen mirror has old ones."""
    shown = run(["apt-config", "dump"], TOOLS)
    wanted = ("Acquire::Check-Valid-Until ", "Acquire::Check-Date ")
    return [line for line in shown.splitlines() if line.startswith(wanted)]


def _build(docker: Docker, image: str) -> None:
    name, _, tag = image.partition(":")
    context = _context(_FOLDERS[name])
    if name == "localstack/localstack":
        shutil.copy(ROOT / "requirements/localstack.txt", context / "requirements.txt")
    options = ("--progress=plain", "--label", _LABEL, "--tag", image)
    version = ("--build-arg", f"VERSION={tag.removeprefix('v')}")
    docker.run("build", *options, *version, str(context))


def _context(folder: str) -> Path:
    """Copy a folder of stand-ins, so that added files stay out of the tree."""
    copy = TOOLS / "standins" / folder
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(_STANDINS / folder, copy)
    return copy
