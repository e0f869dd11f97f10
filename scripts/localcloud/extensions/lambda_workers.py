"""Python functions fail, log and start as on Lambda, without fixed waits.

AWS: https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html,
https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html and
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html

MiniStack reports every exception as ``Runtime.HandlerError`` (so no Retry or Catch by name
matches), replaces the process after one, has no root log handler, waits 50 ms for a first log
line, gives functions the environment and packages of the emulator, and unpacks (and so compiles)
code and layers again for each process. Here the runtime is ``lambda_worker.py``; code is unpacked
once and shared by all processes that run it, and these are forked from one that has imported the
packages of their layers.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from localcloud import lambda_worker
from localcloud.extensions._patch import wrap
from localcloud.forked_process import CAN_FORK, Forked, Runtime

Outcome = dict[str, Any]

_INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT")
# What a process must start with.
_COMMON = (*_INHERITED, "AWS_EXECUTION_ENV", lambda_worker.LAYERS_VARIABLE)
# What a function may bring in another version than its layers or Lambda.
_IMPORTED = {"botocore", *(name.partition(".")[0] for name in lambda_worker.PACKAGES)}
_LOG_WAIT_SECONDS = 1.0  # only ever waited in full when a process died without its last line

# Each holds its packages in memory.
_RUNTIMES = 8

_runtimes_lock = threading.Lock()
# By what they start with, the least recently used first.
_runtimes: dict[str, Runtime] = {}

_unpack_lock = threading.Lock()
# The archives themselves are kept, too: an id alone may pass to another one.
_folders: dict[int, tuple[bytes, Path]] = {}


def _unpacked(archive: bytes) -> Path:
    """The folder with the archive's files; the same bytes are unpacked once, for every cloud."""
    known = _folders.get(id(archive))
    if known and known[1].is_dir():
        return known[1]
    root = Path(os.environ.get("FINOPS_LAMBDA_CODE") or Path(tempfile.gettempdir(), "lambda-code"))
    folder = root / hashlib.sha256(archive).hexdigest()[:32]
    with _unpack_lock:
        if not folder.is_dir():
            partial = root / f"{folder.name}.{uuid.uuid4().hex}"
            with zipfile.ZipFile(io.BytesIO(archive)) as files:
                files.extractall(partial)
            try:
                partial.rename(folder)
            except OSError:
                shutil.rmtree(partial)
                if not folder.is_dir():
                    raise
        os.utime(folder)  # used today
        _folders[id(archive)] = archive, folder
    return folder


def _started(handler: str, code: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    """A process that loads the function and serves it."""
    process = subprocess.Popen(
        [sys.executable, lambda_worker.__file__],
        cwd=code,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps({"handler": handler}) + "\n")
    process.stdin.flush()
    return process


def _forked(handler: str, code: Path, environment: dict[str, str]) -> Forked | None:
    """A process that is forked from one that has imported the packages of its layers."""
    other_interpreter = any(name.startswith("PYTHON") for name in environment)
    other_packages = _IMPORTED & {one.stem for one in code.iterdir()}
    if not CAN_FORK or other_interpreter or other_packages:
        return None
    common = {name: environment[name] for name in _COMMON if name in environment}
    key = json.dumps(common, sort_keys=True)
    with _runtimes_lock:
        runtime = _runtimes.pop(key, None) or Runtime(common)
        _runtimes[key] = runtime
        oldest = _runtimes.pop(next(iter(_runtimes))) if len(_runtimes) > _RUNTIMES else None
    if oldest:
        oldest.close()
    return runtime.fork(handler, code, environment)


class PythonWorker(lambda_runtime.Worker):  # type: ignore[misc]  # the emulator has no types
    """An execution environment: a process that has loaded the function."""

    def _spawn(self) -> None:
        code = _unpacked(self.code_zip)
        layers = [
            str(_unpacked(archive) / "python")
            for layer in self.config.get("Layers") or []
            if (archive := lambda_svc._resolve_layer_zip(layer))
        ]
        environment = self._environment(code, layers)
        process = _forked(self.config["Handler"], code, environment) or _started(
            self.config["Handler"], code, environment
        )
        self._proc = process
        self._stderr_queue: queue.Queue[str] = queue.Queue()
        self._stderr_thread = threading.Thread(target=self._read_stderr, daemon=True)
        self._stderr_thread.start()
        assert process.stdout is not None
        if not process.stdout.readline():
            raise RuntimeError(f"the runtime of {self.func_name} ended: {self._drain_stderr()}")
        self._start_time = time.time()

    def _environment(self, code: Path, layers: list[str]) -> dict[str, str]:
        config = self.config
        arn = config["FunctionArn"]
        region = arn.split(":")[3]
        version = config.get("Version", "$LATEST")
        day = time.strftime("%Y/%m/%d", time.gmtime())
        own = {
            key: str(value)
            for key, value in (config.get("Environment") or {}).get("Variables", {}).items()
            if key not in lambda_runtime._RESERVED_RUNTIME_ENV_VARS
        }
        group = (config.get("LoggingConfig") or {}).get("LogGroup")
        return {
            **{key: os.environ[key] for key in _INHERITED if key in os.environ},
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{os.environ.get('GATEWAY_PORT', '4566')}",
            # Some services' host prefixes do not resolve on the emulator's address.
            lambda_runtime.HOST_PREFIX_ENV: "true",
            **own,
            **lambda_runtime.execution_credentials(config),
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{config.get('Runtime', 'python3.13')}",
            "AWS_LAMBDA_FUNCTION_NAME": config["FunctionName"],
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.get("MemorySize", 128)),
            "AWS_LAMBDA_FUNCTION_VERSION": version,
            "AWS_LAMBDA_LOG_GROUP_NAME": group or f"/aws/lambda/{config['FunctionName']}",
            "AWS_LAMBDA_LOG_STREAM_NAME": f"{day}/[{version}]{uuid.uuid4().hex}",
            "_HANDLER": config["Handler"],
            "LAMBDA_TASK_ROOT": str(code),
            lambda_worker.LAYERS_VARIABLE: json.dumps(layers),
        }

    def _read_stderr(self) -> None:
        super()._read_stderr()
        self._stderr_queue.put(lambda_worker.END_OF_LOG)  # the process ended: no more lines

    def _drain_stderr_bounded(self) -> str:
        lines: list[str] = []
        deadline = time.monotonic() + _LOG_WAIT_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            try:
                line = self._stderr_queue.get(timeout=left)
            except queue.Empty:
                break
            if line == lambda_worker.END_OF_LOG:
                break
            lines.append(line)
        return "\n".join(lines)


def _worker_class(original: Callable[[Any], type], config: dict[str, Any]) -> type:
    runtime = str(config.get("Runtime", "python"))
    return PythonWorker if runtime.startswith("python") else original(config)


def _execute(
    original: Callable[..., Outcome], function: dict[str, Any], event: Any, request_id: str
) -> Outcome:
    outcome = original(function, event, request_id)
    body = outcome.get("body")
    if isinstance(body, dict) and lambda_worker.UNHANDLED in body:
        return {**outcome, "body": body[lambda_worker.UNHANDLED], "error": True}
    if outcome.get("error") and isinstance(body, dict):
        if body.get("errorMessage") == "Worker process died":
            body["errorType"] = "Runtime.ExitError"
            body["errorMessage"] = f"RequestId: {request_id} Error: Runtime exited"
        elif body.get("errorType") == "Sandbox.Timedout":
            body["errorMessage"] = f"RequestId: {request_id} Error: {body['errorMessage']}"
    return outcome


def install() -> None:
    """Run Python functions in this project's runtime."""
    wrap(lambda_runtime, "_worker_class_for", _worker_class)
    wrap(lambda_svc, "_execute_function_warm", _execute)
