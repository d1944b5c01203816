"""Checks of the code that need no apply."""

import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import support.tools as processes
from countermand.ledger import dynamodb_table
from countermand.settings import Settings, variable
from support.terraforming import CODE, ROOT, Terraform, Tools, copied

GUIDE = ROOT / "docs" / "deploy-ecs.md"
MODULES = sorted(file.parent.name for file in CODE.glob("modules/*/main.tf"))
ROOTS = ("bootstrap", "environments/dev", "environments/local", "environments/prod")
TESTED = sorted(str(file.parent.parent.relative_to(CODE)) for file in CODE.rglob("*.tftest.hcl"))
NAMED = (
    "alarms", "cloudtrail", "eventbridge", "guardrail", "iam", "ledger", "queue", "s3", "sns",
    "worker-ecs",
)  # fmt: skip


@pytest.fixture(scope="session")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(tmp_path_factory.mktemp("checks") / "terraform")


@pytest.fixture(scope="session")
def everywhere(tools: Tools, code: Path, schemas: dict[str, str]) -> dict[str, Terraform]:
    """Return each module and root, initialized."""
    folders = [*(f"modules/{name}" for name in MODULES), *ROOTS]
    found = {folder: Terraform(tools, code, folder, AWS_REGION="us-east-1") for folder in folders}
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(terraform.init) for terraform in found.values()]:
            done.result()
    for terraform in found.values():
        terraform.schemas = schemas
    return found


def test_the_documentation_names_every_module() -> None:
    assert tuple(MODULES) == NAMED
    assert [name for name in NAMED if f"`{name}`" not in GUIDE.read_text()] == []


def test_the_documented_costs_add_up() -> None:
    rows = re.findall(r"^\| .* \| ([0-9x.+() ]+) \| ([0-9.]+) \|$", GUIDE.read_text(), re.MULTILINE)
    costs = [_product(arithmetic) for arithmetic, _ in rows]
    assert [f"{cost:.2f}" for cost in costs] == [documented for _, documented in rows]
    assert f"**{sum(costs):.2f}**" in GUIDE.read_text()
    # Two per EventBridge rule, six for queue, trail, and silence, and three that the text explains.
    patterns = json.loads((CODE / "modules/eventbridge/patterns.json").read_text())
    assert f"| {2 * len(patterns) + 6 + 3} alarms |" in GUIDE.read_text()


def _product(arithmetic: str) -> float:
    """Evaluate a sum such as 2 x (3 x 0.5 + 4), which has only numbers and signs."""
    return float(eval(arithmetic.replace("x", "*"), {"__builtins__": {}}))  # noqa: S307 - only sums


@pytest.mark.parametrize(
    ("command", "file"),
    [
        (("iam-policy", "--mode", "dry-run"), "iam/policies/worker.json.tftpl"),
        (("iam-policy", "--mode", "enforce", "--only-writes"), "iam/policies/enforce.json.tftpl"),
        (("rules", "event-pattern"), "eventbridge/patterns.json"),
    ],
)
def test_the_modules_have_the_same_output(command: tuple[str, ...], file: str) -> None:
    """The modules have the output of the commands."""
    printed = processes.run([sys.executable, "-m", "countermand", *command], ROOT)
    assert json.loads(printed) == json.loads((CODE / "modules" / file).read_text())


def test_the_code_is_formatted(tools: Tools) -> None:
    asked = Terraform(tools, CODE, ".").attempt("fmt", "-check", "-recursive", "-diff")
    assert asked.returncode == 0, asked.stdout + asked.stderr


def test_the_generated_files_are_fresh() -> None:
    processes.run([sys.executable, "scripts/terraform_files.py", "--check"], ROOT)


def test_every_module_and_environment_is_valid(everywhere: dict[str, Terraform]) -> None:
    # `terraform test` validates the folders that it tests.
    untested = [folder for folder in everywhere if folder not in TESTED]
    with ThreadPoolExecutor(2) as pool:
        results = pool.map(lambda folder: everywhere[folder].attempt("validate"), untested)
    done = zip(untested, results, strict=True)
    wrong = {f: result.stdout + result.stderr for f, result in done if result.returncode}
    assert wrong == {}


@pytest.mark.parametrize("folder", TESTED)
def test_terraform_test_passes(everywhere: dict[str, Terraform], folder: str) -> None:
    output = everywhere[folder].run("test")
    assert re.search(r"Success! [1-9]\d* passed, 0 failed", output), output


@pytest.mark.parametrize("name", MODULES)
def test_every_variable_and_output_is_described(name: str) -> None:
    for kind in ("variables", "outputs"):
        file = CODE / "modules" / name / f"{kind}.tf"
        blocks = re.split(r'^(?=(?:variable|output) ")', file.read_text(), flags=re.MULTILINE)[1:]
        assert blocks
        assert [block.split('"')[1] for block in blocks if "\n  description = " not in block] == []


@pytest.mark.parametrize(
    "file", sorted(CODE.rglob("variables.tf")), ids=lambda file: str(file.parent.relative_to(CODE))
)
def test_a_validation_names_its_variable(file: Path) -> None:
    blocks = re.split(r'^variable "', file.read_text(), flags=re.MULTILINE)[1:]
    messages = [
        (b.split('"')[0], m) for b in blocks for m in re.findall(r'error_message = "(.*)"', b)
    ]
    unclear = [(name, m) for name, m in messages if not m.startswith((f"{name}:", f"{name}."))]
    assert unclear == []


def test_the_task_has_existing_settings_only() -> None:
    known = {variable(field) for field in Settings.model_fields}
    given = {
        name
        for folder in ("modules/guardrail", "modules/worker-ecs", "environments/local")
        for file in (CODE / folder).glob("*.tf")
        for name in re.findall(r"COUNTERMAND_[A-Z_]+[A-Z]", file.read_text())
    }
    assert given - known == set()


def test_each_state_has_its_own_key() -> None:
    files = [*CODE.glob("environments/*/backend.tf"), CODE / "bootstrap/backend.tf.example"]
    keys = [re.search(r'key\s*= "(.*)"', file.read_text()) for file in files]
    assert sorted(key[1] for key in keys if key) == [
        "countermand/bootstrap/terraform.tfstate",
        "countermand/dev/terraform.tfstate",
        "countermand/prod/terraform.tfstate",
    ]


def test_every_exception_of_checkov_has_a_reason() -> None:
    skips = [
        line.strip()
        for file in CODE.rglob("*.tf")
        for line in file.read_text().splitlines()
        if "checkov:skip" in line
    ]
    assert skips
    assert [skip for skip in skips if len(skip.partition("=")[2].partition(":")[2]) < 10] == []


def test_the_ledger_is_the_table_of_the_code() -> None:
    table = json.loads((CODE / "modules/ledger/table.json").read_text())
    source = Path(dynamodb_table.__file__).read_text()
    assert f'"AttributeName": "{table["TimeToLive"]}"' in source
