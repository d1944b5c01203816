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
CANNOT_RUN_HERE = 3
"""Exit code where these programs cannot be had or run; 1 means that a download failed."""

_ROOTS = ("/opt", "/usr/local/share", "/usr/share", "~/.terraform.d", "~/.local/share/terraform")
_DEPTH = 3
_RELEASES = "https://releases.hashicorp.com"
_REGISTRY = "https://registry.terraform.io"
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
    answer = subprocess.run([terraform, "version", "-json"], capture_output=True, check=False)
    try:
        text = json.loads(answer.stdout)["terraform_version"]
    except (ValueError, KeyError):
        return (0,)
    return tuple(int(part) for part in text.split("-")[0].split("."))


def _download(target: Path) -> None:
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        _give_up(f"terraform {VERSION}: can be fetched for Linux on x86-64 only. Install it.")
    archive = f"terraform_{VERSION}_linux_amd64.zip"
    url = f"{_RELEASES}/terraform/{VERSION}/{archive}"
    _give_up_unless_reachable(_RELEASES, "no Terraform on the PATH")
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - an HTTPS URL of ours
            data = zipfile.ZipFile(io.BytesIO(answer.read())).read("terraform")
    except (OSError, zipfile.BadZipFile) as error:
        sys.exit(f"{url}: cannot download Terraform: {error}")
    if hashlib.sha256(data).hexdigest() != SHA256:
        sys.exit(f"{url}: the program has another SHA-256 hash than {SHA256}")
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
    _give_up_unless_reachable(_REGISTRY, f"no mirror with hashicorp/aws {PROVIDER}")
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
        sys.exit(f"provider hashicorp/aws {PROVIDER}: cannot download it:\n{done.stderr}")
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


def _give_up_unless_reachable(url: str, need: str) -> None:
    # A machine without a route to the host is no failed download.
    try:
        urllib.request.urlopen(url, timeout=30).close()  # noqa: S310 - an HTTPS URL of ours
    except urllib.error.HTTPError:
        return  # It answered.
    except OSError as error:
        _give_up(f"{need}, and {url} cannot be reached: {error}")


def _give_up(reason: str) -> NoReturn:
    sys.stderr.write(f"{reason}\n")
    sys.exit(CANNOT_RUN_HERE)


if __name__ == "__main__":
    chosen = program()
    sys.stdout.write(f"{chosen}\n{configuration(chosen)}\n")
