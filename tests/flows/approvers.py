"""People who approve raises, each with a signature of their own."""

from __future__ import annotations

import uuid

import boto3

from finops.deployment.budgets import BudgetDeployment
from finops.deployment.environment import environment
from localcloud.endpoints import REGION
from tests.flows.deployment import Deployment


def approver(deployment: Deployment) -> BudgetDeployment:
    """The command line of an IAM user who has the approvers' policy alone."""
    iam, user = deployment.client("iam"), f"approver-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=user)
    iam.put_user_policy(
        UserName=user,
        PolicyName="approvals",
        PolicyDocument=deployment.outputs["approver_policy"],
    )
    keys = iam.create_access_key(UserName=user)["AccessKey"]
    found = BudgetDeployment(
        environment("local", {"AWS_ENDPOINT_URL": deployment.url, "FINOPS_NAME_PREFIX": ""})
    )
    found.aws._session = boto3.Session(
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        region_name=REGION,
    )
    found.aws._clients.clear()  # those of whoever made it
    for part in ("statuses", "rows"):
        getattr(found, part)._client = found.aws.client("dynamodb")
    return found
