"""https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html and python-logging.html."""

from __future__ import annotations

import base64
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.localcloud.contract.aws import Account

pytestmark = pytest.mark.needs("lambda_workers")


def invoke(account: Account, arn: str, event: object = None) -> tuple[Any, str, str | None]:
    """The function's answer, the end of its log, and the kind of error."""
    answer = account.client("lambda").invoke(
        FunctionName=arn, Payload=json.dumps(event), LogType="Tail"
    )
    log = base64.b64decode(answer.get("LogResult", "")).decode()
    return json.loads(answer["Payload"].read()), log, answer.get("FunctionError")


@pytest.fixture(scope="module")
def function(management: Account) -> str:
    return management.function(
        """
import json, logging, os, sys
count = 0
class TableMissing(LookupError): pass
def find(name): raise TableMissing(f"no table {name}")
def handler(event, context):
    global count
    count += 1
    if event == "raise": find("budgets")
    if event == "unserializable": return {1, 2}
    if event == "die": os._exit(1)
    if event == "log":
        logging.info("too quiet"); logging.warning("loud")
        logging.getLogger().setLevel(logging.INFO); logging.info("audible"); print("printed")
    if event == "context":
        return [context.function_name, context.aws_request_id, context.invoked_function_arn,
                context.get_remaining_time_in_millis(), context.log_group_name,
                sorted(os.environ)]
    return count
"""
    )


def test_an_exception_has_its_class_message_and_stack(management: Account, function: str) -> None:
    error, log, kind = invoke(management, function, "raise")
    assert kind == "Unhandled"
    assert error["errorType"] == "TableMissing"
    assert error["errorMessage"] == "no table budgets"
    assert error["requestId"]
    assert [frame.split(", in ")[1].splitlines()[0] for frame in error["stackTrace"]] == [
        "handler",
        "find",
    ]
    assert "[ERROR] TableMissing: no table budgets" in log


def test_the_environment_survives_an_exception(management: Account, function: str) -> None:
    before, _, _ = invoke(management, function)
    invoke(management, function, "raise")
    after, _, _ = invoke(management, function)
    assert after == before + 2


def test_an_answer_that_is_not_json_is_a_marshal_error(management: Account, function: str) -> None:
    error, _, kind = invoke(management, function, "unserializable")
    assert (kind, error["errorType"]) == ("Unhandled", "Runtime.MarshalError")


def test_a_process_that_ends_is_an_exit_error_and_replaced(
    management: Account, function: str
) -> None:
    error, _, kind = invoke(management, function, "die")
    assert (kind, error["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert invoke(management, function)[0] == 1


def test_logging_has_a_root_handler_at_warning(management: Account, function: str) -> None:
    _, log, _ = invoke(management, function, "log")
    assert "[WARNING]" in log
    assert "loud" in log
    assert "[INFO]" in log
    assert "audible" in log
    assert "printed" in log
    assert "too quiet" not in log


def test_the_context_and_environment_are_lambdas(management: Account, function: str) -> None:
    answer, _, _ = invoke(management, function, "context")
    name, request_id, arn, remaining, group, environment = answer
    assert (name, arn) == (function.rpartition(":")[2], function)
    assert request_id
    assert 15_000 < remaining <= 20_000
    assert group == f"/aws/lambda/{name}"
    assert {"AWS_REGION", "AWS_LAMBDA_FUNCTION_NAME", "LAMBDA_TASK_ROOT"} <= set(environment)
    assert not [key for key in environment if key.startswith(("MINISTACK", "GATEWAY", "FINOPS"))]


def test_a_module_that_cannot_be_imported_says_so(management: Account) -> None:
    broken = management.function("import nowhere_to_be_found")
    error, _, kind = invoke(management, broken)
    assert (kind, error["errorType"]) == ("Unhandled", "Runtime.ImportModuleError")
    assert "nowhere_to_be_found" in error["errorMessage"]


def test_a_missing_handler_says_so(management: Account) -> None:
    error, _, _ = invoke(management, management.function("x = 1"))
    assert error["errorType"] == "Runtime.HandlerNotFound"


def test_a_slow_function_times_out(management: Account) -> None:
    slow = management.function("import time\ndef handler(e, c): time.sleep(9)", timeout=1)
    error, _, _ = invoke(management, slow)
    assert error["errorType"] == "Sandbox.Timedout"
    assert "Task timed out after 1.00 seconds" in error["errorMessage"]


def test_a_warm_invocation_costs_a_few_other_calls(management: Account, function: str) -> None:
    functions, sts = management.client("lambda"), management.client("sts")

    def median(call: Callable[[], Any]) -> float:
        durations = []
        for _ in range(20):
            started = time.perf_counter()
            call()
            durations.append(time.perf_counter() - started)
        return statistics.median(durations)

    def invoke_function() -> None:
        functions.invoke(FunctionName=function, Payload=b"null")["Payload"].read()

    assert median(invoke_function) < 8 * median(sts.get_caller_identity)


def test_each_environment_loads_its_function_anew(management: Account) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html."""
    function = management.function(
        """
import logging, os, random, subprocess, uuid
logging.warning("loaded")
loaded = uuid.uuid4().hex
def handler(event, context):
    if event == "die": os._exit(1)
    if event == "log": print("out"); return
    if event == "child": return subprocess.run(["true"]).returncode
    return [loaded, random.random(), os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]]
"""
    )
    _, log, _ = invoke(management, function, "log")
    assert "loaded" in log
    assert "out" in log
    first = invoke(management, function)[0]
    assert invoke(management, function, "die")[0]["errorType"] == "Runtime.ExitError"
    assert not set(first) & set(invoke(management, function)[0])
    assert invoke(management, function, "child")[0] == 0


def test_packages_are_those_of_the_function_its_layers_and_lambda(management: Account) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/python-package.html (search path)."""
    layer = management.layer({"msgspec.py": "origin = 'layer'"})
    plain = "import boto3\ndef handler(event, context): return boto3.__file__"
    own = "import msgspec\ndef handler(event, context): return msgspec.origin"
    of_lambda = management.function(plain)
    of_layer = management.function(own, layers=[layer])
    of_code = management.function(own, layers=[layer], files={"msgspec.py": "origin = 'code'"})
    for _ in range(2):
        assert "site-packages" in invoke(management, of_lambda)[0]
        assert invoke(management, of_layer)[0] == "layer"
        assert invoke(management, of_code)[0] == "code"


def test_variables_of_the_interpreter_count(management: Account) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html (PYTHONPATH)."""
    function = management.function(
        "import sys\ndef handler(event, context): return sys.flags.hash_randomization",
        PYTHONHASHSEED="0",
    )
    assert invoke(management, function)[0] == 0
