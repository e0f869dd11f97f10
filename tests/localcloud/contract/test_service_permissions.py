"""https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html."""

from __future__ import annotations

import json
from functools import partial

import pytest
from botocore.exceptions import ClientError

from tests.localcloud.contract.aws import (
    Account,
    allow,
    error_code,
    eventually,
    policy,
    unique,
)

pytestmark = pytest.mark.needs("service_permissions")

READ = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]


def test_a_queue_feeds_a_function_whose_role_may_read_it(management: Account) -> None:
    source, calls = management.queue(VisibilityTimeout="30"), management.queue()
    function = management.function(
        "def handler(event, context): record([r['body'] for r in event['Records']])",
        allow(READ, source.arn),
        calls=calls,
    )
    management.client("lambda").create_event_source_mapping(
        FunctionName=function, EventSourceArn=source.arn
    )
    source.sqs.send_message(QueueUrl=source.url, MessageBody="hello")
    assert calls.bodies(1) == [["hello"]]


def test_a_mapping_is_refused_when_the_role_lacks_any_action(management: Account) -> None:
    source, functions = management.queue(), management.client("lambda")
    for missing in READ:
        granted = allow([action for action in READ if action != missing], source.arn)
        function = management.function("def handler(e, c): pass", granted)
        create = partial(
            functions.create_event_source_mapping,
            FunctionName=function,
            EventSourceArn=source.arn,
        )
        assert error_code(create) == "InvalidParameterValueException"


def test_a_function_in_a_vpc_is_refused_when_its_role_may_make_no_network_interface(
    management: Account,
) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html"""
    ec2 = management.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.77.0.0/24")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.77.0.0/25")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName=unique("c"), Description="c", VpcId=vpc)["GroupId"]
    network = {"SubnetIds": [subnet], "SecurityGroupIds": [group]}
    with pytest.raises(ClientError, match="CreateNetworkInterface on EC2") as refused:
        management.function("def handler(e, c): pass", network=network)
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValueException"
    actions = [f"ec2:{one}NetworkInterface" for one in ("Create", "Delete")]
    elsewhere = {"ArnEquals": {"lambda:SourceFunctionArn": "arn:aws:lambda:*:*:function:*"}}
    function = management.function(
        "def handler(e, c): pass",
        allow([*actions, "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]),
        {"Effect": "Deny", "Action": actions, "Resource": "*", "Condition": elsewhere},
        network=network,
    )
    found = management.client("lambda").get_function_configuration(FunctionName=function)
    assert found["VpcConfig"]["SubnetIds"] == [subnet]


def test_logs_are_written_only_if_the_role_may(management: Account) -> None:
    functions, logs = management.client("lambda"), management.client("logs")
    code = "def handler(event, context): print('seen', event)"
    function = management.function(code)
    functions.invoke(FunctionName=function, Payload=b'"first"')
    group = f"/aws/lambda/{function.rpartition(':')[2]}"

    def messages() -> str:
        events = logs.filter_log_events(logGroupName=group)["events"]
        return "\n".join(event["message"] for event in events)

    eventually(lambda: "seen first" in messages())
    role = functions.get_function_configuration(FunctionName=function)["Role"]
    management.client("iam").put_role_policy(
        RoleName=role.rpartition("/")[2],
        PolicyName="contract",
        PolicyDocument=policy(allow("logs:CreateLogStream")),
    )
    functions.invoke(FunctionName=function, Payload=b'"second"')
    assert "seen second" not in messages()


def test_a_policy_that_denies_plain_http_does_not_deny_services(management: Account) -> None:
    """On AWS services use TLS; the local cloud, without TLS, counts as such."""
    source, sqs = management.queue(), management.client("sqs")
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": source.arn,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    sqs.set_queue_attributes(QueueUrl=source.url, Attributes={"Policy": policy(deny)})
    role = management.role(allow("sqs:SendMessage", source.arn))
    sender = management.client("sqs", management.assume(role))
    sender.send_message(QueueUrl=source.url, MessageBody=json.dumps("in"))
    assert source.bodies(1) == ["in"]
