"""Both state machines in LocalStack's own interpreter, with Lambda mocked.

LocalStack runs without Docker and evaluates JSONata by the reference implementation. What a mocked
function answers, and so which way an execution takes, is a test case of its own:
https://docs.localstack.cloud/aws/capabilities/testing/mocking-service-integrations/
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3
import pytest
from botocore.config import Config

import check_workflows
import second_engines

pytestmark = pytest.mark.engine

ACCOUNT = "000000000000"
#: A mocked task cannot throw an error of the States Language itself.
TIMEOUT = "MockedTimeout"
PLAN = [{"load_id": 7, "number": number} for number in range(3)]


def answered(*outcomes: str) -> list[dict[str, Any]]:
    """Calls that return these outcomes, as a function answers."""
    return [{"Return": {"StatusCode": 200, "Payload": {"outcome": one}}} for one in outcomes]


def called_back(*outcomes: str) -> list[dict[str, Any]]:
    """Tasks that end with these outcomes by their token."""
    return [{"Return": {"outcome": one}} for one in outcomes]


def thrown(error: str, cause: str = "why", times: int = 9) -> list[dict[str, Any]]:
    return [{"Throw": {"Error": error, "Cause": cause}}] * times


def payload(**values: object) -> list[dict[str, Any]]:
    return [{"Return": {"StatusCode": 200, "Payload": values}}]


EXTRACTED, VALID, REVIEW = answered("EXTRACTED"), answered("VALID"), answered("REVIEW")
PROCESSED, NOTIFIED = answered("PROCESSED"), answered("NOTIFIED") * 3
STRAIGHT = {
    "ExtractInvoice": EXTRACTED,
    "ValidateInvoice": VALID,
    "ProcessInvoice": PROCESSED,
    "NotifyInvoice": NOTIFIED,
    "NotifyReview": NOTIFIED,
}
PLANNED = payload(bucket="plans", plan_key="plan.json", chunks=3)
RECORDED = payload()
LOADED = {
    "PlanBillingChunks": PLANNED,
    "LoadBillingChunk": payload(rows=3) * 3,
    "FinishBillingFile": payload(status="LOADED"),
    "FailBillingFile": RECORDED,
}

#: What each function answers, the error with which the execution ends, and states on its way.
CASES: dict[str, tuple[str, Mapping[str, list[dict[str, Any]]], str, list[str]]] = {
    "Straight": ("invoices", STRAIGHT, "", ["ProcessInvoice", "NotifyInvoice"]),
    "Asynchronous": (
        "invoices",
        STRAIGHT
        | {"ExtractInvoice": answered("ASYNCHRONOUS"), "AwaitExtraction": called_back("EXTRACTED")},
        "",
        ["AwaitExtraction", "ValidateInvoice"],
    ),
    "RejectedByTextract": (
        "invoices",
        STRAIGHT
        | {"ExtractInvoice": answered("ASYNCHRONOUS"), "AwaitExtraction": called_back("REJECTED")},
        "",
        ["AwaitExtraction", "HowExtracted", "NotifyInvoice"],
    ),
    "Reviewed": (
        "invoices",
        STRAIGHT | {"ValidateInvoice": REVIEW + VALID, "ReviewInvoice": called_back("APPROVED")},
        "",
        ["NotifyReview", "ReviewInvoice", "ProcessInvoice"],
    ),
    "ReviewRejected": (
        "invoices",
        STRAIGHT | {"ValidateInvoice": REVIEW, "ReviewInvoice": called_back("REJECTED")},
        "",
        ["ReviewInvoice", "HowReviewed", "NotifyInvoice"],
    ),
    "ReviewEscalated": (
        "invoices",
        STRAIGHT
        | {
            "ValidateInvoice": REVIEW + VALID,
            "ReviewInvoice": thrown(TIMEOUT, times=1) + called_back("APPROVED"),
            "EscalateReview": answered("ESCALATED"),
            "NotifyEscalation": NOTIFIED,
        },
        "",
        ["EscalateReview", "NotifyEscalation", "ReviewInvoice", "ProcessInvoice"],
    ),
    "ReviewGivenUp": (
        "invoices",
        STRAIGHT
        | {
            "ValidateInvoice": REVIEW,
            "ReviewInvoice": thrown(TIMEOUT),
            "EscalateReview": answered("GIVE_UP"),
        },
        "",
        ["EscalateReview", "IsItGivenUp", "NotifyInvoice"],
    ),
    "ResemblesAnother": (
        "invoices",
        STRAIGHT
        | {
            "ValidateInvoice": VALID * 2,
            "ProcessInvoice": answered("NEEDS_REVIEW", "PROCESSED"),
            "ReviewInvoice": called_back("APPROVED"),
        },
        "",
        ["NotifyReview", "ReviewInvoice", "ProcessInvoice"],
    ),
    "TriedAgain": (
        "invoices",
        STRAIGHT | {"ExtractInvoice": thrown("TransientFailure", times=2) + EXTRACTED},
        "",
        ["ProcessInvoice"],
    ),
    "Failed": (
        "invoices",
        STRAIGHT
        | {"ExtractInvoice": thrown("ConfigurationError"), "FailInvoice": thrown("InvoiceFailed")},
        "InvoiceFailed",
        ["FailInvoice"],
    ),
    "FailedWithoutCause": (
        "invoices",
        STRAIGHT
        | {
            "ValidateInvoice": thrown("ConfigurationError", cause=""),
            "FailInvoice": thrown("InvoiceFailed"),
        },
        "InvoiceFailed",
        ["FailInvoice"],
    ),
    "GoesOnAfterRedrive": (
        "invoices",
        STRAIGHT
        | {
            "ValidateInvoice": thrown("ConfigurationError", times=1) + VALID,
            "FailInvoice": payload(resume="ValidateInvoice"),
        },
        "",
        ["FailInvoice", "WhereToGoOn", "ValidateInvoice", "ProcessInvoice"],
    ),
    "Loaded": ("billing", LOADED, "", ["LoadBillingChunks", "FinishBillingFile"]),
    "NothingToLoad": (
        "billing",
        LOADED | {"PlanBillingChunks": payload(bucket="plans", plan_key="plan.json", chunks=0)},
        "",
        ["AnyBillingChunks", "FinishBillingFile"],
    ),
    "PartFails": (
        "billing",
        LOADED | {"LoadBillingChunk": thrown("ConfigurationError")},
        "",
        ["LoadBillingChunks", "FinishBillingFile"],
    ),
    "PlanFails": (
        "billing",
        LOADED | {"PlanBillingChunks": thrown("ConfigurationError")},
        "ConfigurationError",
        ["FailBillingFile", "Failed"],
    ),
    "FinishFails": (
        "billing",
        LOADED | {"FinishBillingFile": thrown("ConfigurationError")},
        "ConfigurationError",
        ["FinishBillingFile", "FailBillingFile", "Failed"],
    ),
    "PlanIsMissing": (
        "billing",
        LOADED | {"PlanBillingChunks": payload(bucket="plans", plan_key="none.json", chunks=3)},
        # States.Runtime in LocalStack 4.14. AWS says States.ItemReaderFailed:
        # https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
        "BillingWorkflow.Runtime",
        ["LoadBillingChunks", "FailBillingFile", "Failed"],
    ),
}


def mocked() -> dict[str, Any]:
    """The test cases as LocalStack reads them."""
    machines: dict[str, Any] = {}
    responses = {}
    for case, (machine, answers, _, _) in CASES.items():
        named = {state: f"{case}{state}" for state in answers}
        machines.setdefault(machine, {"TestCases": {}})["TestCases"][case] = named
        for state, name in named.items():
            responses[name] = {str(at): one for at, one in enumerate(answers[state])}
    return {"StateMachines": machines, "MockedResponses": responses}


def quick(value: Any) -> Any:
    """The definition with retries after a second, that catches the mocked timeout."""
    if value == "States.Timeout":
        return TIMEOUT
    if isinstance(value, list):
        return [quick(one) for one in value]
    if not isinstance(value, dict):
        return value
    found = {key: quick(one) for key, one in value.items()}
    return found | {"IntervalSeconds": 1, "MaxDelaySeconds": 2} if "BackoffRate" in found else found


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[boto3.Session]:
    if reason := check_workflows.fetch():
        pytest.skip(f"JSONata's reference implementation: {reason}")
    try:
        python = second_engines.localstack()
    except second_engines.Missing as missing:
        pytest.skip(str(missing))
    folder = tmp_path_factory.mktemp("localstack")
    (folder / "mocks.json").write_text(json.dumps(mocked()))
    endpoint = f"127.0.0.1:{free_port()}"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "GATEWAY_LISTEN": endpoint,
        "LOCALSTACK_HOST": endpoint,
        "SFN_MOCK_CONFIG": str(folder / "mocks.json"),
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DNS_ADDRESS": "0",
        "EAGER_SERVICE_LOADING": "0",
    }
    launcher = Path(__file__).parent / "localstack_launcher.py"
    with (folder / "localstack.log").open("wb") as log:
        server = subprocess.Popen(
            [python, str(launcher), str(check_workflows.FOLDER / "node_modules")],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until_ready(server, f"http://{endpoint}/_localstack/health", folder)
        os.environ["AWS_ENDPOINT_URL"] = f"http://{endpoint}"
        yield boto3.Session(ACCOUNT, "test", region_name="us-east-1")
    finally:
        os.environ.pop("AWS_ENDPOINT_URL", None)
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def wait_until_ready(server: subprocess.Popen[bytes], url: str, folder: Path) -> None:
    for _ in range(600):
        if server.poll() is not None:
            break
        try:
            with urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    pytest.fail((folder / "localstack.log").read_text()[-3000:])


@pytest.fixture(scope="module")
def machines(session: boto3.Session) -> dict[str, str]:
    config = Config(s3={"addressing_style": "path"}, read_timeout=120)
    s3 = session.client("s3", config=config)
    s3.create_bucket(Bucket="plans")
    s3.put_object(Bucket="plans", Key="plan.json", Body=json.dumps(PLAN))
    states = session.client("stepfunctions")
    role = f"arn:aws:iam::{ACCOUNT}:role/states"
    return {
        name: states.create_state_machine(
            name=name,
            definition=json.dumps(quick(check_workflows.definition(name))),
            roleArn=role,
        )["stateMachineArn"]
        for name in check_workflows.WORKFLOWS
    }


@pytest.mark.parametrize("case", CASES)
def test_an_execution_takes_its_way(
    session: boto3.Session, machines: dict[str, str], case: str
) -> None:
    machine, _, error, way = CASES[case]
    states = session.client("stepfunctions")
    given = {"invoice_id": "I1", "kind": "DOCUMENT", "load_id": 7}
    execution = states.start_execution(
        stateMachineArn=f"{machines[machine]}#{case}", input=json.dumps(given)
    )["executionArn"]
    for _ in range(1200):
        found = states.describe_execution(executionArn=execution)
        if found["status"] != "RUNNING":
            break
        time.sleep(0.25)
    pages = states.get_paginator("get_execution_history").paginate(executionArn=execution)
    entered = [
        event["stateEnteredEventDetails"]["name"]
        for page in pages
        for event in page["events"]
        if "stateEnteredEventDetails" in event
    ]
    assert (found["status"], found.get("error", "")) == (
        ("FAILED", error) if error else ("SUCCEEDED", "")
    ), (found, entered)
    steps = iter(entered)
    assert all(state in steps for state in way), entered
