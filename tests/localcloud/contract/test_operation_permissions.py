"""Operations whose action or resource is not what their name suggests.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

from functools import partial

import pytest

from tests.localcloud.contract.aws import REGION, Account, allow, error_code, unique

pytestmark = pytest.mark.needs("ssm_iam", "sqs_iam")


def test_reading_by_path_needs_the_paths_own_arn(spoke: Account) -> None:
    root = unique("contract")
    spoke.client("ssm").put_parameter(Name=f"/{root}/a", Value="1", Type="String")
    parameter = f"arn:aws:ssm:{REGION}:{spoke.id}:parameter"
    read = {"Path": f"/{root}"}
    for resource, allowed in ((f"{parameter}/{root}", True), (f"{parameter}/{root}-b", False)):
        role = spoke.role(allow("ssm:GetParametersByPath", resource))
        ssm = spoke.client("ssm", spoke.assume(role))
        if allowed:
            assert len(ssm.get_parameters_by_path(**read)["Parameters"]) == 1
        else:
            denied = error_code(partial(ssm.get_parameters_by_path, **read))
            assert denied == "AccessDeniedException"


def test_send_message_covers_batches(management: Account) -> None:
    queue = management.queue()
    sqs = management.client(
        "sqs", management.assume(management.role(allow("sqs:SendMessage", queue.arn)))
    )
    sqs.send_message_batch(QueueUrl=queue.url, Entries=[{"Id": "a", "MessageBody": '"in"'}])
    assert queue.bodies(1) == ["in"]
    receive = partial(sqs.receive_message, QueueUrl=queue.url)
    assert error_code(receive) in ("AccessDenied", "AccessDeniedException")
