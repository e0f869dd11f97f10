"""Apply an earlier version to a local cloud and this one over it: nothing that holds data may go.

    python scripts/check_upgrade.py [--from REF]

applies `environments/local` of the newest tag before this commit (before there is one, of
b0a0feb, the first commit that is deployed as a whole), with packages built from that commit. Then
it plans this version over the same state, and judges the plan: a table, bucket, cluster, key,
secret, user pool or log group that would be replaced or destroyed fails. What passes is applied,
and a second plan must be empty. It takes minutes, and runs before a release.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from build_lambdas import REPOSITORY
from localcloud.address import endpoint_url
from localcloud.settings import Settings
from localcloud.supervisor import LocalCloud
from localcloud.terraform import Terraform, TerraformError, local_environment

#: Where there is no tag yet.
FIRST = "b0a0feb"
#: What holds data that an apply does not bring back.
HOLDS_DATA = frozenset(
    {
        "aws_cloudwatch_log_group",
        "aws_cognito_user_pool",
        "aws_dynamodb_table",
        "aws_kms_key",
        "aws_rds_cluster",
        "aws_s3_bucket",
        "aws_secretsmanager_secret",
    }
)


def lost_data(changes: Iterable[Mapping[str, Any]]) -> list[str]:
    """What a plan would replace or destroy though it holds data, one line each.

    Args:
        changes: `resource_changes` of `terraform show -json`
            (https://developer.hashicorp.com/terraform/internals/json-format#change-representation).
    """
    lost = []
    for one in changes:
        actions = one["change"]["actions"]
        if one["type"] not in HOLDS_DATA or "delete" not in actions:
            continue
        what = "replaced" if "create" in actions else "destroyed"
        because = ", ".join(
            ".".join(map(str, path)) for path in one["change"].get("replace_paths", [])
        )
        why = f" because of {because}" if because else f" ({one.get('action_reason', 'no reason')})"
        lost.append(f"{one['address']} would be {what}{why}")
    return lost


def counted(changes: Iterable[Mapping[str, Any]]) -> str:
    """A plan in a line: how many resources it creates, changes, moves, replaces and destroys."""
    names = {
        ("create",): "created",
        ("update",): "changed",
        ("delete",): "destroyed",
        ("delete", "create"): "replaced",
        ("create", "delete"): "replaced",
        ("forget",): "forgotten",
        ("no-op",): "unchanged",
    }
    found: Counter[str] = Counter()
    for one in changes:
        if name := names.get(tuple(one["change"]["actions"])):
            found[name] += 1
        if "previous_address" in one:
            found["moved"] += 1
    return ", ".join(f"{count} {name}" for name, count in sorted(found.items()))


def removed(changes: Iterable[Mapping[str, Any]]) -> list[str]:
    """Addresses of what a plan destroys or replaces, in order."""
    return sorted(one["address"] for one in changes if "delete" in one["change"]["actions"])


def earlier_version() -> str:
    """The newest tag before this commit, or the first commit."""
    found = subprocess.run(
        ["git", "describe", "--tags", "--abbrev=0", "--match=v*", "HEAD^"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or FIRST


def _unpacked(ref: str, folder: Path) -> Path:
    """The files of a commit, with packages built from them."""
    archive = subprocess.run(
        ["git", "archive", "--format=tar", ref], cwd=REPOSITORY, capture_output=True, check=True
    )
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    _build(folder)
    return folder


def _build(repository: Path) -> None:
    script = repository / "scripts" / "build_lambdas.py"
    subprocess.run([sys.executable, script, "--target=local", "--quiet"], check=True)


def _upgrade(ref: str, settings: Settings) -> list[str]:
    """What is wrong with the upgrade; says on standard output how it went."""
    earlier = _unpacked(ref, settings.local_dir / "earlier")
    _build(REPOSITORY)
    with LocalCloud(settings):
        now = local_environment(settings)
        before = Terraform(
            root=earlier / "environments" / "local",
            folder=now.folder,
            # Earlier versions have it as an input variable.
            environ={**now.environ, "TF_VAR_endpoint_url": endpoint_url(settings)},
        )
        started = time.monotonic()
        before.init()
        count = before.apply()
        _tell(f"{ref} applied: {count} resources, {time.monotonic() - started:.0f} s")
        now.init()
        changes = now.planned_changes()
        _tell(f"plan of this version: {counted(changes)}")
        _tell("\n".join(f"  destroyed or replaced: {one}" for one in removed(changes)))
        if complaints := lost_data(changes):
            return complaints
        started = time.monotonic()
        count = now.apply()
        _tell(f"this version applied: {count} resources, {time.monotonic() - started:.0f} s")
        return [f"the second plan would change {address}" for address in now.plan()]


def _tell(line: str) -> None:
    print(line, flush=True)


def main() -> int:
    """Check the upgrade, and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--from", dest="ref", metavar="REF", help="the earlier version")
    ref = parser.parse_args().ref or earlier_version()
    # A path short enough for sockets, and open to the database's user.
    folder = Path(tempfile.mkdtemp(prefix="finops-"))
    folder.chmod(0o755)
    settings = replace(
        Settings.from_environment(), local_dir=folder, port=0, persist=False, external=None
    )
    try:
        complaints = _upgrade(ref, settings)
    except TerraformError as error:
        complaints = [str(error), error.log.read_text()[-4000:]]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(complaints), file=sys.stderr, end="\n" if complaints else "")
    print(f"upgrade from {ref}: {'refused' if complaints else 'nothing with data is lost'}")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
