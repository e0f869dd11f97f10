"""The judge of an upgrade's plan: what holds data is neither replaced nor destroyed."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

import check_upgrade
from check_upgrade import HOLDS_DATA, counted, lost_data, removed
from localcloud.settings import REPOSITORY


def change(kind: str, *actions: str, **more: Any) -> dict[str, Any]:
    """A change as `terraform show -json` has it."""
    told: dict[str, Any] = {"actions": list(actions)}
    if "replace_paths" in more:
        told["replace_paths"] = more.pop("replace_paths")
    return {"address": f"module.m.{kind}.this", "type": kind, "change": told} | more


@pytest.mark.parametrize("kind", sorted(HOLDS_DATA))
@pytest.mark.parametrize("actions", [("delete", "create"), ("create", "delete"), ("delete",)])
def test_a_plan_that_replaces_or_destroys_data_is_refused(
    kind: str, actions: tuple[str, ...]
) -> None:
    assert lost_data([change(kind, *actions)])


def test_a_replaced_table_is_named_with_the_cause() -> None:
    table = change("aws_dynamodb_table", "delete", "create", replace_paths=[["hash_key"]])
    assert lost_data([change("aws_s3_bucket", "no-op"), table]) == [
        "module.m.aws_dynamodb_table.this would be replaced because of hash_key"
    ]


def test_a_destroyed_bucket_is_named_with_the_reason() -> None:
    gone = change("aws_s3_bucket", "delete", action_reason="delete_because_no_resource_config")
    assert lost_data([gone]) == [
        "module.m.aws_s3_bucket.this would be destroyed (delete_because_no_resource_config)"
    ]


@pytest.mark.parametrize("actions", [("no-op",), ("update",), ("create",), ("read",), ("forget",)])
def test_data_that_stays_is_fine(actions: tuple[str, ...]) -> None:
    assert lost_data([change("aws_dynamodb_table", *actions)]) == []


def test_what_holds_no_data_may_be_replaced() -> None:
    assert lost_data([change("aws_lambda_layer_version", "create", "delete")]) == []


def test_a_plan_is_counted_with_what_moved() -> None:
    moved = change("aws_kms_key", "update", previous_address="aws_kms_key.finops")
    plan = [
        moved,
        change("aws_sqs_queue", "create"),
        change("aws_lambda_layer_version", "create", "delete"),
        change("aws_iam_policy_document", "read"),
    ]
    assert counted(plan) == "1 changed, 1 created, 1 moved, 1 replaced"
    assert removed(plan) == ["module.m.aws_lambda_layer_version.this"]


def test_the_earlier_version_is_the_newest_tag_before_this_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> None:
        author = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
        subprocess.run(["git", *author, *arguments], cwd=tmp_path, check=True, capture_output=True)

    monkeypatch.setattr(check_upgrade, "REPOSITORY", tmp_path)
    git("init")
    for tag in ("v0.1.0", "v0.2.0"):
        git("commit", "--allow-empty", "--message", tag)
        assert check_upgrade.earlier_version() == ("b0a0feb" if tag == "v0.1.0" else "v0.1.0")
        git("tag", tag)
    assert check_upgrade.earlier_version() == "v0.1.0"


def test_what_a_layer_is_made_from_goes_after_it() -> None:
    """Terraform makes layers before their former selves go, where an alarm waits for a function.

    Alarms are made so, and what they depend on with them:
    https://developer.hashicorp.com/terraform/language/meta-arguments/lifecycle. An object that is
    destroyed alone, as no layer lies in the bucket any more, is asked to go before the new layer
    comes and after the former one goes, a cycle: one that is made so itself goes after both.
    """
    found = 0
    for path in (REPOSITORY / "modules").glob("*/*.tf"):
        blocks = {
            (kind, name): body
            for kind, name, body in re.findall(
                r'^resource "(\w+)" "(\w+)" \{\n(.*?)^\}', path.read_text(), re.M | re.DOTALL
            )
        }
        for (kind, _), body in blocks.items():
            if kind == "aws_lambda_layer_version":
                for other in set(re.findall(r"aws_s3_object\.(\w+)", body)):
                    assert "create_before_destroy = true" in blocks["aws_s3_object", other], path
                    found += 1
    assert found == 2
