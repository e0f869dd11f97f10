"""`finops packages`: the code of a release, for Terraform."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click

from finops.cli.options import common
from finops.cli.output import Output
from finops.deployment.environment import Environment


@click.group()
def packages() -> None:
    """Publish the packages of a release, from which Terraform deploys the functions."""


def _bucket(context: click.Context, parameter: click.Parameter, name: str) -> str:
    """A name as Lambda takes it: https://docs.aws.amazon.com/lambda/latest/api/API_FunctionCode.html."""
    if re.fullmatch(r"[0-9A-Za-z._-]{3,63}(?<!\.)", name):
        return name
    raise click.BadParameter(f"{name!r} is not the name of a bucket alone", context, parameter)


@packages.command("publish")
@click.option(
    "--bucket",
    required=True,
    callback=_bucket,
    help="A bucket of yours, in the functions' region: its name alone.",
)
@click.option(
    "--from",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="The folder with the files of the release.",
)
@click.option(
    "--architecture",
    type=click.Choice(["arm64", "x86_64"]),
    default="arm64",
    help="The processor of the functions.",
)
@click.option("--prefix", default="finops/", help="Begins the keys in the bucket.")
@click.option(
    "--output",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("packages.auto.tfvars.json"),
    help="The file for Terraform, which sets the variable `packages`.",
)
@common
def publish_packages(
    environment: Environment,
    out: Output,
    *,
    bucket: str,
    folder: Path,
    architecture: str,
    prefix: str,
    target: Path,
) -> None:
    """Check a release's sums, upload its packages, and write the variable `packages`.

    Running it again changes nothing. The file belongs beside the root module, whose variable
    `packages` it sets.
    """
    from finops.deployment.clients import Aws
    from finops.deployment.packages import checked_release, publish

    if not target.parent.is_dir():  # before anything is uploaded
        raise click.BadParameter(f"there is no folder {target.parent}", param_hint="--output")
    release = checked_release(folder, architecture)
    value = publish(Aws(environment).client("s3"), release, bucket, prefix)
    target.write_text(json.dumps({"packages": value}, indent=2) + "\n", encoding="utf-8")
    out.say(f"Release {release.version} for {architecture} is in {bucket}; {target} names it.")
    rows = [
        {"package": name, **stored}
        for name, stored in (("code", value["code"]), *value["layers"].items())
    ]
    out.answer(
        {"release": release.version, "architecture": architecture, "packages": rows},
        rows="packages",
        columns=("package", "s3_bucket", "s3_key", "s3_object_version"),
    )
