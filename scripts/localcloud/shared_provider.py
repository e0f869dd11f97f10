"""One running AWS provider for many Terraform commands."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from localcloud.settings import REPOSITORY


@contextmanager
def shared_provider(folder: Path, environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Environment variables for Terraform commands that share a provider while the block runs.

    Terraform otherwise starts a provider for each configuration of it, and again for each step,
    which takes most of the time of a plan or a validation
    (https://developer.hashicorp.com/terraform/plugin/debugging#terraform-cli-development-overrides).
    Plans may share it only for roots with one configuration of the provider: the last one counts
    for all. A validation configures none.

    Args:
        folder: Where the provider is installed.
        environment: Variables for Terraform (see `localcloud.terraform.terraform_environment`).
    """
    # The provider takes a bundle of certificates once only, and nothing asks AWS.
    variables = {name: value for name, value in environment.items() if name != "AWS_CA_BUNDLE"}
    shutil.rmtree(folder / ".terraform", ignore_errors=True)  # of an earlier version
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy2(REPOSITORY / "modules" / "lambda_function" / "versions.tf", folder)
    subprocess.run(
        ["terraform", "init", "-input=false"],
        cwd=folder,
        env=variables,
        check=True,
        capture_output=True,
    )
    (binary,) = folder.glob(".terraform/providers/*/hashicorp/aws/*/*/terraform-provider-aws_*")
    with subprocess.Popen(
        ["nice", str(binary.resolve()), "-debug"],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as provider:
        try:
            yield variables | {"TF_REATTACH_PROVIDERS": _address(provider)}
        finally:
            provider.kill()


def _address(provider: subprocess.Popen[str]) -> str:
    """How to reach a provider, which it says when it listens."""
    assert provider.stdout
    for line in provider.stdout:
        if found := re.search(r"TF_REATTACH_PROVIDERS='(.*)'", line):
            return found[1]
    raise RuntimeError("the provider did not start")
