"""The Python runtime that runs in a worker process: it loads a handler and calls it.

Follows "Building Lambda functions with Python" (context, logging, exceptions)
https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html
and speaks the line protocol of ``ministack.core.lambda_runtime.Worker``: one JSON line in for
the function, then one in and one out for each invocation. Standard library only: the process
holds what the function brings, and nothing of the local cloud.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

# Ends an invocation's log, so that the emulator need not guess when the last line has come.
END_OF_LOG = "\x1eend-of-log"
# Wraps the error document of a failed invocation. The process stays, as Lambda's does.
UNHANDLED = "localcloud:unhandled"

DEPTH_VARIABLE = "_MINISTACK_INVOKE_DEPTH"
DEPTH_HEADER = "X-Ministack-Invoke-Depth"

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


def main() -> None:
    """Serve invocations until the emulator closes the pipe."""
    replies, sys.stdout = sys.stdout, sys.stderr
    handler_reference = json.loads(sys.stdin.readline())["handler"]
    sys.path[0:1] = os.environ["LOCALCLOUD_PATH"].split(os.pathsep)
    del os.environ["LOCALCLOUD_PATH"]
    request_id = configure_logging()
    carry_invoke_depth()

    def reply(document: dict[str, Any]) -> None:
        replies.write(json.dumps(document) + "\n")
        replies.flush()

    # Initialise at once, as Lambda does; what went wrong is told to the first invocation.
    handler, init_failure = load(handler_reference, "")
    reply({"status": "ready"})
    for line in sys.stdin:
        message = json.loads(line)
        call = message["ctx"]
        request_id.aws_request_id = call["request_id"]
        set_variable("_X_AMZN_TRACE_ID", call.get("trace_id"))
        set_variable(DEPTH_VARIABLE, call.get("depth"))
        if handler is None and init_failure is None:
            handler, init_failure = load(handler_reference, call["request_id"])
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
