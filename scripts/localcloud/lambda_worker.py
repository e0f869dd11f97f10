"""The Python runtime that runs in a worker process: it loads a handler and calls it.

Follows "Building Lambda functions with Python" (context, logging, exceptions)
https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html
and speaks the line protocol of ``ministack.core.lambda_runtime.Worker``: one JSON line in for
the function, then one in and one out for each invocation. Standard library only: the process
holds what the function brings, and nothing of the local cloud.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import json
import logging
import os
import random
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TextIO

# Ends an invocation's log, so that the emulator need not guess when the last line has come.
END_OF_LOG = "\x1eend-of-log"
# Wraps the error document of a failed invocation. The process stays, as Lambda's does.
UNHANDLED = "localcloud:unhandled"

# The folders of the function's layers, as JSON.
LAYERS_VARIABLE = "LOCALCLOUD_LAYERS"

DEPTH_VARIABLE = "_MINISTACK_INVOKE_DEPTH"
DEPTH_HEADER = "X-Ministack-Invoke-Depth"

# What a process that forks answers when it has imported PACKAGES, and when it cannot fork.
LOADED, ALONE = b"+", b"-"
# The largest message that asks for a fork; a function's environment is 4 KB at most.
MESSAGE_BYTES = 1 << 16

# What takes long to import, and is the same for every function with the same layers.
PACKAGES = (
    "boto3",
    "aws_lambda_powertools.logging",
    "aws_lambda_powertools.metrics",
    "msgspec",
    "jinja2",
    "yaml",
    "duckdb",
    "pypdfium2",
)

# What functions call most.
SERVICES = (
    "sts",
    "dynamodb",
    "s3",
    "sqs",
    "ssm",
    "events",
    "kms",
    "lambda",
    "rds-data",
    "secretsmanager",
    "stepfunctions",
    "textract",
)

Handler = Callable[[Any, "Context"], Any]


class Context:
    """The context object of one invocation."""

    identity = None
    client_context = None

    def __init__(self, call: dict[str, Any]) -> None:
        """Take the invocation's identity from ``call`` and the rest from the environment."""
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.invoked_function_arn = call["invoked_function_arn"]
        self.aws_request_id = call["request_id"]
        self._deadline = time.monotonic() + call["timeout_ms"] / 1000

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends the invocation."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))


class RequestIdFilter(logging.Filter):
    """Gives every log record the request id, as Lambda's own handler does."""

    aws_request_id = ""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep every record."""
        record.aws_request_id = self.aws_request_id
        return True


def configure_logging() -> RequestIdFilter:
    """Install Lambda's root handler; the root level stays WARNING until the function sets it."""
    request_id = RequestIdFilter()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        logging.Formatter(
            "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s",
            "%Y-%m-%dT%H:%M:%S",
        )
    )
    handler.formatter.converter = time.gmtime  # type: ignore[union-attr]
    handler.addFilter(request_id)
    logging.getLogger().addHandler(handler)
    return request_id


class Initialized(NamedTuple):
    """What an invocation needs of the initialisation."""

    reference: str
    request_id: RequestIdFilter
    handler: Handler | None
    failure: dict[str, Any] | None


def failure(error_type: str, message: str, request_id: str, stack: list[str]) -> dict[str, Any]:
    """The error document that Lambda returns to the caller, logged as Lambda logs it."""
    print(f"[ERROR] {error_type}: {message}", *stack, sep="\n", file=sys.stderr)
    return {
        UNHANDLED: {
            "errorMessage": message,
            "errorType": error_type,
            "requestId": request_id,
            "stackTrace": stack,
        }
    }


def exception_failure(error: BaseException, request_id: str) -> dict[str, Any]:
    """The error document of an exception, without this file's own frames."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__
    ]
    stack = traceback.format_list(frames)
    return failure(type(error).__name__, str(error), request_id, stack)


def load(reference: str, request_id: str) -> tuple[Handler | None, dict[str, Any] | None]:
    """Import the handler named ``module.function``, or say in Lambda's words why not."""
    module_name, _, function_name = reference.rpartition(".")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        message = f"Unable to import module '{module_name}': {error}"
        return None, failure("Runtime.ImportModuleError", message, request_id, [])
    except Exception as error:
        return None, exception_failure(error, request_id)
    if not hasattr(module, function_name):
        message = f"Handler '{function_name}' missing on module '{module_name}'"
        return None, failure("Runtime.HandlerNotFound", message, request_id, [])
    return getattr(module, function_name), None


def set_variable(name: str, value: object | None) -> None:
    """Set an environment variable for this invocation, or clear the last one's."""
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = str(value)


def carry_invoke_depth() -> None:
    """Let SDK calls carry the depth by which the emulator stops functions that loop."""
    try:
        import botocore.handlers
    except ImportError:
        return

    def add_depth(params: dict[str, Any], **_: object) -> None:
        if depth := os.environ.get(DEPTH_VARIABLE):
            params["headers"].setdefault(DEPTH_HEADER, depth)

    botocore.handlers.BUILTIN_HANDLERS.append(("before-call", add_depth))


def prepare(handler_reference: str) -> Initialized:
    """Initialise at once, as Lambda does; what went wrong is told to the first invocation."""
    request_id = configure_logging()
    carry_invoke_depth()
    return Initialized(handler_reference, request_id, *load(handler_reference, ""))


def main() -> None:
    """Serve invocations until the emulator closes the pipe, or fork processes that do."""
    sys.path[0:1] = json.loads(os.environ.pop(LAYERS_VARIABLE))
    if len(sys.argv) > 1:
        handler = fork_when_asked(socket.socket(fileno=int(sys.argv[1])))
    else:
        handler = json.loads(sys.stdin.readline())["handler"]
    sys.path.insert(0, str(Path.cwd()))
    replies, sys.stdout = sys.stdout, sys.stderr
    serve(prepare(handler), replies)


def fork_when_asked(control: socket.socket) -> str:
    """Import PACKAGES, then fork for each message; returns a handler, in forked processes only.

    A message is a handler, its folder and environment, with stdin, stdout, stderr and a pipe that
    ends with the process. The process's id is the answer.
    """
    gc.disable()  # nothing of what is imported is garbage
    import_packages()
    gc.freeze()
    gc.enable()
    if not can_fork(control.fileno()):
        control.sendall(ALONE)
        sys.exit()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    control.sendall(LOADED)
    while True:
        message, pipes, _, _ = socket.recv_fds(control, MESSAGE_BYTES, 4)
        if not message:
            os._exit(0)  # some packages report as leaks what they hold at an orderly end
        pid = os.fork()
        if pid == 0:
            break
        for pipe in pipes:
            os.close(pipe)
        control.sendall(pid.to_bytes(8, "big"))
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    control.close()
    for number, pipe in enumerate(pipes[:3]):
        os.dup2(pipe, number)
        os.close(pipe)
    random.seed()
    asked = json.loads(message)
    os.environ.clear()
    os.environ.update(asked["environment"])
    del os.environ[LAYERS_VARIABLE]
    time.tzset()
    os.chdir(asked["folder"])
    return str(asked["handler"])


def import_packages() -> None:
    """Import what the function's layers, or Lambda itself, have of PACKAGES; read SERVICES."""
    for name in PACKAGES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    with contextlib.suppress(ImportError):
        import boto3
        import botocore.session
        from botocore.loaders import JSONFileLoader

        # Each session would list all services, and each client read its own's description, again.
        botocore.session.create_loader = functools.cache(botocore.session.create_loader)
        JSONFileLoader.load_file = staticmethod(functools.cache(JSONFileLoader().load_file))
        for service in SERVICES:
            boto3.Session("none", "none", region_name="us-east-1").client(service)


def can_fork(control: int) -> bool:
    """Whether no thread and no connection would be shared by the forked processes."""
    if len([*Path("/proc/self/task").iterdir()]) > 1:
        return False
    opened = [one for one in Path("/proc/self/fd").iterdir() if one.name != str(control)]
    return not any(one.is_socket() for one in opened)


def serve(loaded: Initialized, replies: TextIO) -> None:
    """Answer invocations until the emulator closes the pipe."""
    handler, init_failure = loaded.handler, loaded.failure
    replies.write(json.dumps({"status": "ready"}) + "\n")
    replies.flush()
    for line in sys.stdin:
        message = json.loads(line)
        call = message["ctx"]
        loaded.request_id.aws_request_id = call["request_id"]
        set_variable("_X_AMZN_TRACE_ID", call.get("trace_id"))
        set_variable(DEPTH_VARIABLE, call.get("depth"))
        if handler is None and init_failure is None:
            handler, init_failure = load(loaded.reference, call["request_id"])
        if handler is None:
            result, init_failure = init_failure, None  # initialised anew at the next invocation
        else:
            try:
                result = handler(message["event"], Context(call))
            except Exception as error:
                result = exception_failure(error, call["request_id"])
        try:
            document = json.dumps({"status": "ok", "result": result})
        except (TypeError, ValueError) as error:
            unmarshalled = f"Unable to marshal response: {error}"
            document = json.dumps(
                {
                    "status": "ok",
                    "result": failure("Runtime.MarshalError", unmarshalled, call["request_id"], []),
                }
            )
        print(END_OF_LOG, file=sys.stderr, flush=True)
        replies.write(document + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
