"""A topic that sends to a queue is named by its ARN, and its account is not.

AWS: "Subscribing an Amazon SQS queue to an Amazon SNS topic"
https://docs.aws.amazon.com/sns/latest/dg/subscribe-sqs-queue-to-sns-topic.html and "Managing Amazon
SNS encryption keys and costs" https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
The queue's policy and the key's are told by ``aws:SourceArn``; no page says that SNS gives
``aws:SourceAccount`` for a subscription. MiniStack gives both.
"""

from __future__ import annotations

from collections.abc import Callable

from ministack.services import sqs

from localcloud.extensions._patch import wrap


def _allows(
    original: Callable[..., bool],
    queue_arn: str,
    service: str,
    source_arn: str,
    source_account: str,
) -> bool:
    account = "" if service == "sns.amazonaws.com" else source_account
    return original(queue_arn, service, source_arn, account)


def install() -> None:
    """Leave the account of a topic out."""
    wrap(sqs, "queue_policy_allows", _allows)
