"""Provide Terraform and its AWS provider to the tests: `fetch_terraform.py`.

It prints two lines: the program, and the CLI configuration for it. It uses a Terraform on the PATH
and a provider in a local mirror, downloads what is missing into .countermand/tools/, and checks it.
"""

import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).parents[1]
TOOLS = ROOT / ".countermand" / "tools"
VERSION = "1.11.4"
SHA256 = "268000fca5c61021c6396893d9483007ba589ad9d0aaccbd7dfa8c78bf7dbe23"
"""Hash of the program in the archive, for Linux on x86-64."""
PROVIDER = "5.100.0"
OLDEST = (1, 10)
NOT_TO_BE_HAD = 3
"""Exit code where these programs cannot run; 1 means that a download failed."""

_ROOTS = ("/opt", "/usr/local/share", "/usr/share", "~/.terraform.d", "~/.local/share/terraform")
_DEPTH = 3
_SOURCE = Path("registry.terraform.io/hashicorp/aws")


def program() -> str:
    """Return the Terraform on the PATH if it is new enough, otherwise a downloaded version."""
    found = shutil.which("terraform")
    if found is not None and _version(found) >= OLDEST:
        return found
    target = TOOLS / f"terraform-{VERSION}"
    if not target.exists():
        _download(target)
    return str(target)


def configuration(terraform: str) -> Path:
    """Write a CLI configuration that reads the provider from a folder, so that each init takes
    seconds and downloads nothing.
    """
    mirror = next(_mirrors(), None) or _fetched(terraform)
    text = (
        "disable_checkpoint = true\n"
        "provider_installation {\n"
        f"  filesystem_mirror {{\n    path = {json.dumps(str(mirror))}\n  }}\n"
        "}\n"
    )
    file = TOOLS / "terraform.rc"
    TOOLS.mkdir(parents=True, exist_ok=True)
    _place(text.encode(), file, 0o644)
    return file


def _version(terraform: str) -> tuple[int, ...]:
    told = subprocess.run([terraform, "version", "-json"], capture_output=True, check=False)
    try:
        text = json.loads(told.stdout)["terraform_version"]
    except (ValueError, KeyError):
        return (0,)
    return tuple(int(part) for part in text.split("-")[0].split("."))


def _download(target: Path) -> None:
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        _give_up(f"install Terraform {VERSION}: it is fetched for Linux on x86-64 only")
    archive = f"terraform_{VERSION}_linux_amd64.zip"
    url = f"https://releases.hashicorp.com/terraform/{VERSION}/{archive}"
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            data = zipfile.ZipFile(io.BytesIO(answer.read())).read("terraform")
    except urllib.error.URLError as error:
        _give_up(f"no Terraform on the PATH, and {url}: {error.reason}")
    if hashlib.sha256(data).hexdigest() != SHA256:
        sys.exit(f"{url}: the program in it is not the one that was checked")
    target.parent.mkdir(parents=True, exist_ok=True)
    _place(data, target, 0o755)


def _mirrors() -> Iterator[Path]:
    """Yield the usual folders that hold the provider, unpacked or packed."""
    for root in (TOOLS, *(Path(name).expanduser() for name in _ROOTS)):
        for folder in _folders(root, _DEPTH):
            if list((folder / _SOURCE).glob(f"*{PROVIDER}*")):
                yield folder


def _folders(root: Path, depth: int) -> Iterator[Path]:
    yield root
    if depth == 0:
        return
    try:
        below = [Path(entry) for entry in os.scandir(root) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return
    for folder in below:
        yield from _folders(folder, depth - 1)


def _fetched(terraform: str) -> Path:
    """Download the provider from Terraform's registry; Terraform checks its signature."""
    mirror = TOOLS / "terraform-providers"
    with tempfile.TemporaryDirectory() as folder:
        wanted = {"aws": {"source": "hashicorp/aws", "version": PROVIDER}}
        (Path(folder) / "main.tf.json").write_text(
            json.dumps({"terraform": {"required_providers": wanted}})
        )
        command = [terraform, "providers", "mirror", str(mirror)]
        environment = {k: v for k, v in os.environ.items() if k != "TF_CLI_CONFIG_FILE"}
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode:
        _give_up(f"provider hashicorp/aws {PROVIDER}: {done.stderr.strip()[-500:]}")
    for packed in (mirror / _SOURCE).glob("*.zip"):
        _unpack(packed)
    return mirror


def _unpack(packed: Path) -> None:
    """Unpack to where Terraform can link to it: each init would unpack 700 MB from an archive."""
    _, version, system = packed.stem.split("_", 2)
    target = packed.parent / version / system
    aside = target.with_name(f"{system}.{os.getpid()}")
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(aside)
    for program in aside.glob("terraform-provider-*"):
        program.chmod(0o755)
    aside.rename(target)
    packed.unlink()


def _place(data: bytes, target: Path, mode: int) -> None:
    # Written to another file and renamed, so that an interrupted run leaves no partial file.
    aside = target.with_name(f"{target.name}.{os.getpid()}")
    aside.write_bytes(data)
    aside.chmod(mode)
    aside.replace(target)


def _give_up(why: str) -> NoReturn:
    sys.stderr.write(f"{why}\n")
    sys.exit(NOT_TO_BE_HAD)


if __name__ == "__main__":
    chosen = program()
    sys.stdout.write(f"{chosen}\n{configuration(chosen)}\n")
