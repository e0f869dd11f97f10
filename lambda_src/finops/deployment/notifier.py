"""The doctor's check of what posts alarms to a chat: its topic, and the secret with the address."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from finops.deployment.examination import APPLY, Examination, Finding
from finops.deployment.policies import refused_actions

#: Variables with the ARN of a secret that holds the address of a chat.
_WEBHOOK = "WEBHOOK_SECRET_ARN"


def check_notifier(of: Examination) -> Iterator[Finding]:
    """Whether alarms and reports reach the chats that they are to be posted to."""
    for name in of.existing(("notify-operators",)):
        arn = of.configurations[name]["Configuration"]["FunctionArn"]
        if arn not in _subscribers(of):
            yield Finding(
                name, "it is not subscribed to the topic of alarms, so it is told of none", APPLY
            )
        policy = of.ask("lambda", "get_policy", FunctionName=name)
        policy = (policy or {}).get("Policy") or "{}"
        if refused_actions(policy, "sns.amazonaws.com", ["lambda:InvokeFunction"]):
            yield Finding(
                name, "the topic of alarms may not invoke it, so no alarm is posted", APPLY
            )
    for name, variables in of.environments.items():
        if secret := variables.get(_WEBHOOK):
            yield from _secret(of, name, secret)


def _secret(of: Examination, name: str, arn: str) -> Iterator[Finding]:
    found: Any = of.ask("secretsmanager", "describe_secret", SecretId=arn)
    stages = {one for some in (found or {}).get("VersionIdsToStages", {}).values() for one in some}
    if not found:
        problem, remedy = "is gone", "Make it again, and name it in the module's settings"
    elif found.get("DeletedDate"):
        problem = "is about to be deleted"
        remedy = f"aws secretsmanager restore-secret --secret-id {arn}"
    elif "AWSCURRENT" not in stages:
        problem = "has no value"
        remedy = f"aws secretsmanager put-secret-value --secret-id {arn}, with the address"
    else:
        return
    yield Finding(name, f"the secret {arn}, which holds the address of the chat, {problem}", remedy)


def _subscribers(of: Examination) -> set[str]:
    """Who hears of alarms: addresses and ARNs."""
    found: set[str] = set()
    page: dict[str, str] = {}
    while answer := of.ask(
        "sns", "list_subscriptions_by_topic", TopicArn=of.alarm_topic_arn, **page
    ):
        found |= {one["Endpoint"] for one in answer["Subscriptions"]}
        if not answer.get("NextToken"):
            break
        page = {"NextToken": answer["NextToken"]}
    return found
