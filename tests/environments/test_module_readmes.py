"""A module's README: its tables are the module's own, and its call can be pasted.

Their layout is terraform-docs' (https://terraform-docs.io/reference/markdown-table/).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import document_modules
from document_modules import BEGIN, END, MODULES, UndocumentedError, documented, reference
from localcloud.settings import REPOSITORY
from localcloud.terraform import terraform_environment
from release import project_version

#: A module of the release that this version is.
PUBLISHED = (
    r'"git::https://github\.com/example/terraform-aws-finops\.git//modules/(\w+)\?ref=v'
    + re.escape(project_version())
    + '"'
)
MODULE_NAMES = sorted(path.parent.name for path in MODULES.glob("*/versions.tf"))


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """A module with one input of each kind, and a README that does not list them yet."""
    folder = tmp_path / "example"
    folder.mkdir()
    (folder / "variables.tf").write_text(
        'variable "names" {\n'
        '  description = <<-EOT\n    The `a|b`\n    of "names".\n  EOT\n'
        '  type = object({\n    first = optional(string, "x")\n  })\n  default = {}\n}\n'
        'variable "id" {\n  description = "An id."\n  type        = string\n}\n'
    )
    (folder / "outputs.tf").write_text(
        'output "id" {\n  description = "It."\n  value = var.id\n}\n'
    )
    (folder / "main.tf").write_text(
        'terraform {\n  required_version = ">= 1.11"\n'
        '  required_providers {\n    aws = {\n      version = "~> 6.0"\n    }\n  }\n}\n'
        'data "aws_region" "here" {}\n'
        'resource "aws_sqs_queue" "b" {}\nresource "aws_s3_bucket" "a" {}\n'
        'module "alarms" {\n  source = "../metric_alarms"\n}\n'
    )
    (folder / "README.md").write_text(f"# example\n\nWords.\n\n{BEGIN}\n{END}\nMore words.\n")
    return folder


@pytest.mark.parametrize("name", MODULE_NAMES)
def test_tables_say_what_the_module_says(name: str) -> None:
    readme = (MODULES / name / "README.md").read_text()
    assert documented(readme, reference(MODULES / name)) == readme


def test_tables_are_written_between_the_markers_only(module: Path) -> None:
    assert document_modules.main([str(module)]) == 0
    readme = (module / "README.md").read_text()
    assert readme.startswith("# example\n\nWords.\n")
    assert readme.endswith("\nMore words.\n")
    assert "| id | An id. | `string` | n/a | yes |\n| names |" in readme
    assert (
        '| names | The `a\\|b`<br/>of "names". | '
        '<pre>object({<br/>    first = optional(string, "x")<br/>  })</pre> | `{}` | no |'
    ) in readme
    assert "| id | It. |" in readme
    assert document_modules.main(["--check", str(module)]) == 0


def test_sections_come_in_the_order_of_terraform_docs(module: Path) -> None:
    page = "https://registry.terraform.io/providers/hashicorp/aws/latest/docs"
    tables = reference(module)
    assert re.findall("^## (.*)$", tables, re.MULTILINE) == [
        "Requirements",
        "Providers",
        "Modules",
        "Resources",
        "Inputs",
        "Outputs",
    ]
    assert "| terraform | >= 1.11 |\n| aws | ~> 6.0 |\n\n## Providers" in tables
    assert "## Modules\n\n| Name | Source | Version |\n| ---- | ------ | ------- |\n" in tables
    assert "| alarms | ../metric_alarms | n/a |" in tables
    assert tables.partition("| ---- | ---- |\n")[2].partition("\n\n")[0].splitlines() == [
        f"| [aws_s3_bucket.a]({page}/resources/s3_bucket) | resource |",
        f"| [aws_sqs_queue.b]({page}/resources/sqs_queue) | resource |",
        f"| [aws_region.here]({page}/data-sources/region) | data source |",
    ]
    (module / "main.tf").unlink()
    assert "## Providers\n\nNo providers.\n\n## Modules\n\nNo modules.\n" in reference(module)


def test_an_outdated_readme_fails_the_check_and_is_not_changed(
    module: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (module / "README.md").read_text()
    assert document_modules.main(["--check", str(module)]) == 1
    assert "run python scripts/document_modules.py" in capsys.readouterr().err
    assert (module / "README.md").read_text() == before


def test_an_input_without_a_description_is_refused(module: Path) -> None:
    (module / "more.tf").write_text('variable "bare" {\n  type = string\n}\n')
    with pytest.raises(UndocumentedError, match="bare has no description"):
        reference(module)


def test_a_readme_without_markers_is_refused() -> None:
    with pytest.raises(UndocumentedError, match="lacks the lines"):
        documented("# example\n", "")


def test_the_calls_in_the_readmes_are_valid(tmp_path: Path) -> None:
    """All in one root: each start of the provider costs Terraform seconds."""
    shutil.copytree(MODULES, tmp_path / "modules", ignore=shutil.ignore_patterns(".terraform*"))
    root = tmp_path / "root"
    (root / "build" / "lambda").mkdir(parents=True)
    roots = []
    for name in MODULE_NAMES:
        readme = (MODULES / name / "README.md").read_text()
        (call,) = re.findall(r"```hcl\n(.*?)```", readme, re.DOTALL)
        call, published = re.subn(PUBLISHED, r'"../../modules/\1"', call)
        assert published
        assert f'"../../modules/{name}"' in call
        assert "github.com" not in call
        (root / name).mkdir()
        (root / name / "main.tf").write_text(call)
        roots.append(f'module "{name}" {{\n  source = "./{name}"\n}}\n')
    (root / "main.tf").write_text("".join(roots))
    (root / "build" / "rates.zip").touch()
    package = {"path": "build/lambda/finops.zip", "sha256_base64": "x" * 44}
    layers = {
        path.stem.removeprefix("layer-"): package
        for path in (REPOSITORY / "requirements").glob("layer-*.in")
    }
    packages = {"code": package, "layers": layers}
    (root / "build" / "lambda" / "packages.json").write_text(json.dumps(packages))
    stored = {"s3_bucket": "packages", "s3_key": "finops.zip", "sha256_base64": "x" * 44}
    from_bucket = {"packages": {"code": stored, "layers": {"core": stored}}}
    (root / "packages.auto.tfvars.json").write_text(json.dumps(from_bucket))
    for arguments in (["init", "-backend=false", "-input=false"], ["validate"]):
        ran = subprocess.run(
            ["terraform", *arguments, "-no-color"],
            cwd=root,
            env=terraform_environment(tmp_path, os.environ),
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
