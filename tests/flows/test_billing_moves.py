"""A person's role moves a file, with the permissions that docs/billing.md names, and no more."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import boto3
import pytest

from finops.billing.domain import FileEntry, FileStatus, SourceObject
from finops.deployment import clients
from finops.deployment.billing import BillingDeployment
from localcloud.endpoints import MANAGEMENT_ACCOUNT
from localcloud.settings import REPOSITORY
from tests.flows.billing import BillingFlow, as_csv, bill

pytestmark = [pytest.mark.flow]

Finops = Callable[..., tuple[int, Any]]


@pytest.fixture
def dataset(request: pytest.FixtureRequest) -> str:
    """A dataset of the test's own."""
    return "".join(one if one.isalnum() else "-" for one in request.node.name)[:100]


def documented() -> dict[str, list[str]]:
    """The actions by what they are allowed on, as the table of docs/billing.md says."""
    text = (REPOSITORY / "docs" / "billing.md").read_text()
    table = text.partition("### Permissions to move files")[2].partition("\n##")[0]
    rows = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| `")]
    return {where.strip(): re.findall(r"`([a-z0-9-]+:\w+)`", what) for what, where in rows}


def policy(billing: BillingFlow, without: str = "") -> str:
    outputs = billing.outputs
    loader = billing.deployment.client("lambda").get_function_configuration(
        FunctionName="finops-load-billing-file"
    )
    queue = loader["Environment"]["Variables"]["AUDIT_QUEUE_URL"].rpartition("/")[2]
    secrets = [outputs[f"{one}_secret_arn"] for one in ("reader", "loader")]
    bucket = f"arn:aws:s3:::{outputs['bucket']}"
    account = f"us-east-1:{MANAGEMENT_ACCOUNT}"
    resources: Mapping[str, Any] = {
        "the function `load-billing-file`": (
            f"arn:aws:lambda:{account}:function:finops-load-billing-file"
        ),
        "the cluster": outputs["database_arn"],
        "the secrets of the reader and the loader": secrets,
        "the bucket": bucket,
        "the bucket's `billing/*`": f"{bucket}/billing/*",
        "the audit trail's queue": f"arn:aws:sqs:{account}:{queue}",
    }
    found = documented()
    assert set(found) == set(resources)
    statements = [
        {
            "Effect": "Allow",
            "Action": [one for one in actions if one != without],
            "Resource": resources[where],
        }
        for where, actions in found.items()
    ]
    kept = [one for one in statements if one["Action"]]
    return json.dumps({"Version": "2012-10-17", "Statement": kept})


@pytest.fixture
def sign_in(
    billing: BillingFlow, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], None]]:
    """Signs the command line in with a role of this policy."""
    iam, roles = billing.deployment.client("iam"), []

    def signed_in(document: str) -> None:
        name = f"mover-{uuid.uuid4().hex[:8]}"
        principal = {"AWS": f"arn:aws:iam::{MANAGEMENT_ACCOUNT}:root"}
        trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
        arn = iam.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        )["Role"]["Arn"]
        roles.append(name)
        iam.put_role_policy(RoleName=name, PolicyName="move", PolicyDocument=document)
        keys = billing.deployment.client("sts").assume_role(RoleArn=arn, RoleSessionName="ada")
        session = boto3.Session(
            aws_access_key_id=keys["Credentials"]["AccessKeyId"],
            aws_secret_access_key=keys["Credentials"]["SecretAccessKey"],
            aws_session_token=keys["Credentials"]["SessionToken"],
            region_name="us-east-1",
        )
        monkeypatch.setattr(clients, "_signed_in", lambda _environment: session)

    yield signed_in
    for name in roles:
        iam.delete_role_policy(RoleName=name, PolicyName="move")
        iam.delete_role(RoleName=name)


def held(billing: BillingFlow, dataset: str) -> set[str]:
    return set(billing.rows(dataset))


def test_a_role_moves_a_file_and_back(
    billing: BillingFlow, dataset: str, finops: Finops, sign_in: Callable[[str], None]
) -> None:
    first, second = f"{dataset}-one", f"{dataset}-two"
    entry = billing.drop(f"billing/{first}/march.csv", as_csv([bill("a", item=dataset), bill("b")]))
    assert entry.status is FileStatus.LOADED
    sign_in(policy(billing))
    reason = ("--reason", "wrong dataset", "--wait")
    code, answer = finops("billing", "move", entry.source.key, "--dataset", second, *reason)
    assert (code, [one["status"] for one in answer["files"]]) == (0, ["LOADED"])
    assert (held(billing, first), held(billing, second)) == (set(), {"a", "b"})
    code, answer = finops(
        "billing", "move", f"billing/{second}/march.csv", "--dataset", first, *reason
    )
    assert (code, held(billing, first), held(billing, second)) == (0, {"a", "b"}, set())


@pytest.mark.parametrize("action", ["s3:ListBucket", "s3:GetObject"])
def test_a_role_that_lacks_a_permission_changes_nothing(
    billing: BillingFlow,
    dataset: str,
    finops: Finops,
    sign_in: Callable[[str], None],
    action: str,
) -> None:
    entry = billing.drop(f"billing/{dataset}/march.csv", as_csv([bill("a", item=dataset)]))
    sign_in(policy(billing, without=action))
    command = ("billing", "move", entry.source.key, "--dataset", f"{dataset}-two")
    code, _ = finops(*command, "--reason", "wrong dataset")
    assert code != 0
    assert (held(billing, dataset), held(billing, f"{dataset}-two")) == ({"a"}, set())


def test_a_file_that_is_dropped_at_the_same_time_is_not_replaced(
    billing: BillingFlow, dataset: str, finops: Finops, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = f"{dataset}-one", f"{dataset}-two"
    entry = billing.drop(f"billing/{first}/march.csv", as_csv([bill("a", item=dataset)]))
    copy = BillingDeployment.copy
    key = f"billing/{second}/march.csv"

    def copied(
        self: BillingDeployment, moved: FileEntry, to: str, before: SourceObject | None
    ) -> str:
        billing.drop(key, as_csv([bill("b", item=dataset, bill_amount="7")]))
        return copy(self, moved, to, before)

    monkeypatch.setattr(BillingDeployment, "copy", copied)
    command = ("billing", "move", entry.source.key, "--dataset", second, "--reason", "wrong")
    code, answer = finops(*command)
    assert (code, answer["code"]) == (1, "key_is_taken")
    assert (held(billing, first), held(billing, second)) == (set(), {"b"})
    assert Decimal(billing.rows(second)["b"]["bill_amount"]) == 7
