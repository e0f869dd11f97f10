"""https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html."""

from __future__ import annotations

import pytest

from tests.localcloud.contract.aws import Account, allow, error_code

pytestmark = pytest.mark.needs("sqs_iam")


def test_a_batch_is_allowed_by_the_single_operation(spoke: Account) -> None:
    queue, other = spoke.queue(), spoke.queue()
    role = spoke.role(allow(["sqs:SendMessage", "sqs:ReceiveMessage"], queue.arn))
    sqs = spoke.client("sqs", spoke.assume(role))
    entries = [{"Id": str(number), "MessageBody": "{}"} for number in range(2)]
    sent = sqs.send_message_batch(QueueUrl=queue.url, Entries=entries)
    assert len(sent["Successful"]) == 2
    assert error_code(lambda: sqs.send_message_batch(QueueUrl=other.url, Entries=entries)) in {
        "AccessDenied",
        "AccessDeniedException",
    }
    taken = sqs.receive_message(QueueUrl=queue.url)["Messages"]
    handles = [{"Id": "0", "ReceiptHandle": taken[0]["ReceiptHandle"]}]
    assert error_code(lambda: sqs.delete_message_batch(QueueUrl=queue.url, Entries=handles)) in {
        "AccessDenied",
        "AccessDeniedException",
    }
