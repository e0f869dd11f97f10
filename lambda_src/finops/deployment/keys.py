"""The doctor's check of keys: on, and open to each service that uses them without a principal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

from finops.deployment.examination import FED, WITH_WORKFLOW, Examination, Finding
from finops.deployment.policies import refused_actions, services

#: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
_LOGS: Final = ("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey")
#: Of who sends to an encrypted queue or topic:
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
_SEND: Final = ("kms:Decrypt", "kms:GenerateDataKey")
#: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-encryption-key-policy.html
_BUS: Final = ("kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey")
#: https://docs.aws.amazon.com/step-functions/latest/dg/encryption-at-rest.html
_WORKFLOW_LOGS: Final = ("kms:Decrypt",)

#: What each service has to be allowed, by key.
_Needs = defaultdict[str, defaultdict[str, set[str]]]


def check_keys(of: Examination) -> Iterator[Finding]:
    """Whether the keys of the deployment are on, and let in the services that use them."""
    for arn, needs in sorted(_needs(of).items()):
        found = of.ask("kms", "describe_key", KeyId=arn)
        state = found["KeyMetadata"]["KeyState"] if found else "gone"
        if state != "Enabled":
            yield Finding(
                arn,
                f"the key that encrypts the deployment is {state}",
                "Enable it, or cancel its deletion, before anything else",
            )
            continue
        # AWS shows a key's policy in the account of the key only:
        # https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyPolicy.html
        if arn.split(":")[4] != of.account_id:
            continue
        policy = of.ask("kms", "get_key_policy", KeyId=arn, PolicyName="default") or {}
        for service, actions in sorted(needs.items()):
            refused = refused_actions(policy.get("Policy") or "{}", service, sorted(actions))
            if refused:
                yield Finding(
                    arn,
                    f"its policy does not let {service} call {', '.join(refused)}",
                    "Add the statement of environments/prod/management/encryption.tf",
                )


def _needs(of: Examination) -> Mapping[str, Mapping[str, set[str]]]:
    """The keys that functions have; of the other resources only those that have one of these."""
    needs: _Needs = defaultdict(lambda: defaultdict(set))
    for answer in of.configurations.values():
        if arn := answer["Configuration"].get("KMSKeyArn"):
            needs[arn][f"logs.{_region(arn)}.amazonaws.com"].update(_LOGS)
    if needs:
        for queue in _queues(of):
            _add_senders(needs, queue)
        _add_bus(needs, of)
        _add_workflows(needs, of)
        topic = of.ask("sns", "get_topic_attributes", TopicArn=of.alarm_topic_arn)
        _add_senders(needs, (topic or {}).get("Attributes", {}))
    return needs


def _region(arn: str) -> str:
    return arn.split(":")[3]


def _queues(of: Examination) -> Iterator[Mapping[str, str]]:
    """Policy and key of each queue of a function: what feeds it, and its failure queue."""
    names = {f"{name}-failures" for name in of.configurations}
    for mappings in map(of.mappings, of.existing(FED)):
        arns = (one.get("EventSourceArn", "") for one in mappings)
        names |= {arn.rpartition(":")[2] for arn in arns if ":sqs:" in arn}
    for name in sorted(names):
        if url := of.ask("sqs", "get_queue_url", QueueName=name):
            found = of.ask(
                "sqs",
                "get_queue_attributes",
                QueueUrl=url["QueueUrl"],
                AttributeNames=["Policy", "KmsMasterKeyId"],
            )
            yield (found or {}).get("Attributes", {})


def _add_senders(needs: _Needs, attributes: Mapping[str, str]) -> None:
    """Services that the policy of a queue or a topic lets send need its key."""
    key = attributes.get("KmsMasterKeyId", "")
    if key in needs:
        for service in services(attributes.get("Policy") or "{}"):
            needs[key][service].update(_SEND)


def _add_bus(needs: _Needs, of: Examination) -> None:
    if any(of.existing(("record-budget-result",))):
        bus: Any = of.ask("events", "describe_event_bus", Name=f"{of.environment.prefix}-budgets")
        if (bus or {}).get("KmsKeyIdentifier") in needs:
            needs[bus["KmsKeyIdentifier"]]["events.amazonaws.com"].update(_BUS)


def _add_workflows(needs: _Needs, of: Examination) -> None:
    for _, variables in of.configured(WITH_WORKFLOW):
        arn = variables.get("WORKFLOW_ARN")
        found: Any = arn and of.ask("stepfunctions", "describe_state_machine", stateMachineArn=arn)
        key = (found or {}).get("encryptionConfiguration", {}).get("kmsKeyId", "")
        if key in needs:
            needs[key]["delivery.logs.amazonaws.com"].update(_WORKFLOW_LOGS)
