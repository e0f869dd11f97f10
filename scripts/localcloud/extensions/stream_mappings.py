"""DynamoDB streams drive functions with Lambda's rules for failed batches.

AWS: "Using AWS Lambda with Amazon DynamoDB" https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html,
"Configuring partial batch response" https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
and "Retain discarded records" https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html

* ``ReportBatchItemFailures``: the lowest sequence number reported is the checkpoint; what comes
  before it is done, the rest is a new batch.
* ``BisectBatchOnFunctionError``: a batch that fails whole is split in two; a split is not
  counted as a retry.
* ``MaximumRetryAttempts`` and ``MaximumRecordAgeInSeconds``: then the batch is discarded, and its
  description (not its records) goes to the ``OnFailure`` destination.
* A throttled invocation is tried again and not counted.
* Records of one partition key are processed in order, ``ParallelizationFactor`` keys at a time.

MiniStack ignores all of these but the age, and reads every mapping in one thread, so that a slow
function holds up all others. Here each lane of a mapping has a thread of its own, woken by the
write. Retries start at ``FINOPS_STREAM_RETRY_SECONDS`` (0.2) and double up to 25 times that.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ministack.core.responses import get_account_id, get_region, new_uuid, request_scope
from ministack.services import dynamodb, lambda_svc

from localcloud.extensions._delivery import send
from localcloud.extensions._patch import replace, wrap
from localcloud.extensions._permissions import role_allows

logger = logging.getLogger("localcloud.streams")

RETRY_SECONDS = float(os.environ.get("FINOPS_STREAM_RETRY_SECONDS", "0.2"))
READ_ACTIONS = ("dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:DescribeStream")
DEFAULTS = {
    "BatchSize": 100,
    "BisectBatchOnFunctionError": False,
    "DestinationConfig": {"OnFailure": {}},
    "MaximumRecordAgeInSeconds": -1,
    "MaximumRetryAttempts": -1,
    "ParallelizationFactor": 1,
}

Record = dict[str, Any]


@dataclass(slots=True)
class Batch:
    """Records that are invoked together; ``positions`` are their places in the stream."""

    records: list[Record]
    positions: list[int]
    attempts: int = 0
    invocations: int = 0

    def split(self, at: int) -> tuple[Batch, Batch]:
        """The records before ``at``, and the others."""
        return (
            Batch(self.records[:at], self.positions[:at], invocations=self.invocations),
            Batch(self.records[at:], self.positions[at:], invocations=self.invocations),
        )


class Lane(threading.Thread):
    """Reads the part of a stream whose partition keys fall to it, in order."""

    def __init__(self, account: str, region: str, mapping: dict[str, Any], number: int) -> None:
        """Start reading where the mapping stands."""
        super().__init__(daemon=True, name=f"stream-{mapping['UUID'][:8]}-{number}")
        self.account, self.region, self.mapping, self.number = account, region, mapping, number
        self.stream_arn: str = mapping["EventSourceArn"]
        self.table: str = self.stream_arn.split("/")[1]
        self.wake = threading.Event()
        self.waiting: deque[Batch] = deque()
        with request_scope(account, region):
            self.position: int = lambda_svc._dynamodb_stream_positions.get(mapping["UUID"], 0)

    @property
    def checkpoint(self) -> int:
        """The place of the first record that is not dealt with."""
        try:
            return self.waiting[0].positions[0]
        except IndexError:
            return self.position

    def run(self) -> None:
        """Process until the mapping is deleted."""
        with request_scope(self.account, self.region):
            while self._registered():
                self.wake.clear()
                try:
                    pause = self._step()
                except Exception:
                    logger.exception("event source mapping of %s", self.stream_arn)
                    pause = 1.0
                if pause:
                    self.wake.wait(pause)

    def _registered(self) -> bool:
        uuid = self.mapping["UUID"]
        return lambda_svc._esms.get(uuid) is self.mapping and self in _lanes.get(uuid, ())

    def _step(self) -> float:
        """Process one batch; return how long to pause (a new record ends the pause)."""
        function, config = lambda_svc._get_func_record_for_qualifier(
            self.mapping["FunctionName"], self.mapping.get("Qualifier")
        )
        if function is None or not self.mapping.get("Enabled", True) or not self._readable(config):
            return 1.0
        if not self.waiting and not self._read():
            return 60.0
        batch = self.waiting[0]
        if self._expired(batch):
            self._discard(batch, config, "RecordAgeExceeded", None)
            return 0.0
        outcome = lambda_svc._execute_function(function, {"Records": batch.records})
        batch.invocations += 1
        return self._settle(batch, config, outcome)

    def _readable(self, config: dict[str, Any]) -> bool:
        table = dynamodb._tables.get(self.table)
        if not table or table.get("LatestStreamArn") != self.stream_arn:
            return False
        role = config.get("Role", "")
        if all(role_allows(role, action, self.stream_arn) for action in READ_ACTIONS):
            return True
        self.mapping["LastProcessingResult"] = (
            "PROBLEM: Lambda is not authorized to read the stream"
        )
        return False

    def _read(self) -> bool:
        """Take the next batch from the stream, when there is one."""
        size = int(self.mapping.get("BatchSize", 100))
        window = float(self.mapping.get("MaximumBatchingWindowInSeconds") or 0)
        deadline: float | None = None
        while True:
            batch, position = self._peek(size)
            left = 0.0
            if batch.records and window and len(batch.records) < size:
                deadline = deadline or time.monotonic() + window
                left = deadline - time.monotonic()
            if left <= 0:
                break
            self.wake.wait(left)
            self.wake.clear()
        if batch.records:  # before the position moves on, for the checkpoint's sake
            self.waiting.append(batch)
        self.position = position
        self._save()
        return bool(batch.records)

    def _peek(self, size: int) -> tuple[Batch, int]:
        """Up to ``size`` records of this lane that pass the filter, and the place after them."""
        # A restored position may lie past records that were written while the state was saved.
        position = min(self.position, dynamodb.stream_end_position(self.table))
        position = max(position, dynamodb.stream_start_position(self.table))
        batch = Batch([], [])
        for record in dynamodb.stream_records_since(self.table, position, 10_000):
            if self._is_mine(record) and lambda_svc._apply_filter_criteria([record], self.mapping):
                batch.records.append(record)
                batch.positions.append(position)
            position += 1
            if len(batch.records) == size:
                break
        return batch, position

    def _is_mine(self, record: Record) -> bool:
        lanes = len(_lanes.get(self.mapping["UUID"], (self,)))
        if lanes == 1:
            return True
        table = dynamodb._tables[self.table]
        key = repr(record["dynamodb"]["Keys"].get(table["pk_name"]))
        return zlib.crc32(key.encode()) % lanes == self.number

    def _settle(self, batch: Batch, config: dict[str, Any], outcome: dict[str, Any]) -> float:
        """Take the batch, or what failed of it, to its next state; return the pause until then."""
        failed_at = self._failed_at(batch, outcome)
        if failed_at is None:
            self.waiting.popleft()
            self.mapping["LastProcessingResult"] = "OK"
            self._save()
            return 0.0
        self.mapping["LastProcessingResult"] = "PROBLEM: Function call failed"
        if outcome.get("throttle"):
            return self._pause(1)
        if failed_at > 0:
            _, self.waiting[0] = batch.split(failed_at)
            self._save()
            return 0.0
        if self.mapping.get("BisectBatchOnFunctionError") and len(batch.records) > 1:
            self.waiting.popleft()
            self.waiting.extendleft(reversed(batch.split(len(batch.records) // 2)))
            return 0.0
        batch.attempts += 1
        limit = self.mapping.get("MaximumRetryAttempts")
        if limit is not None and 0 <= int(limit) < batch.attempts:
            self._discard(batch, config, "RetryAttemptsExhausted", outcome)
            return 0.0
        time.sleep(self._pause(batch.attempts))  # a new record must not cut it short
        return 0.0

    @staticmethod
    def _pause(attempts: int) -> float:
        return RETRY_SECONDS * min(2.0 ** (attempts - 1), 25.0)

    def _failed_at(self, batch: Batch, outcome: dict[str, Any]) -> int | None:
        """Index of the first record that failed, or None; an unreadable answer fails all."""
        if outcome.get("error"):
            return 0
        if "ReportBatchItemFailures" not in (self.mapping.get("FunctionResponseTypes") or []):
            return None
        body = outcome.get("body")
        if body is None or body == {}:
            return None
        try:
            reported = [item["itemIdentifier"] for item in body.get("batchItemFailures") or []]
            numbers = [record["dynamodb"]["SequenceNumber"] for record in batch.records]
            return min((numbers.index(number) for number in reported), default=None)
        except (AttributeError, KeyError, TypeError, ValueError):
            return 0

    def _expired(self, batch: Batch) -> bool:
        limit = int(self.mapping.get("MaximumRecordAgeInSeconds") or -1)
        return limit > 0 and time.time() - _arrival(batch.records[0]) > limit

    def _discard(
        self,
        batch: Batch,
        config: dict[str, Any],
        condition: str,
        outcome: dict[str, Any] | None,
    ) -> None:
        logger.warning("%s: discarded %d records: %s", self.name, len(batch.records), condition)
        self.waiting.popleft()
        destination = (self.mapping.get("DestinationConfig") or {}).get("OnFailure") or {}
        arn = destination.get("Destination")
        if arn:
            action = "sqs:SendMessage" if ":sqs:" in arn else "sns:Publish"
            if role_allows(config.get("Role", ""), action, arn):
                send(arn, self._description(batch, config, condition, outcome))
            else:
                logger.error("%s may not %s on %s", config.get("Role"), action, arn)
        self._save()

    def _description(
        self,
        batch: Batch,
        config: dict[str, Any],
        condition: str,
        outcome: dict[str, Any] | None,
    ) -> dict[str, Any]:
        response: dict[str, Any] = {
            "statusCode": 200,
            "executedVersion": config.get("Version", "$LATEST"),
        }
        if outcome and outcome.get("error"):
            response["functionError"] = "Unhandled"
        first, last = batch.records[0], batch.records[-1]
        return {
            "requestContext": {
                "requestId": new_uuid(),
                "functionArn": config["FunctionArn"],
                "condition": condition,
                "approximateInvokeCount": batch.invocations,
            },
            "responseContext": response,
            "version": "1.0",
            "timestamp": _iso(time.time(), "milliseconds"),
            "DDBStreamBatchInfo": {
                "shardId": f"shardId-{self.number:020d}-00000000",
                "startSequenceNumber": first["dynamodb"]["SequenceNumber"],
                "endSequenceNumber": last["dynamodb"]["SequenceNumber"],
                "approximateArrivalOfFirstRecord": _iso(_arrival(first)),
                "approximateArrivalOfLastRecord": _iso(_arrival(last)),
                "batchSize": len(batch.records),
                "streamArn": self.stream_arn,
            },
        }

    def _save(self) -> None:
        """Let a saved state resume at the first record that any lane has not dealt with."""
        lanes = _lanes.get(self.mapping["UUID"], [self])
        with lambda_svc._dynamodb_stream_positions_lock:
            lambda_svc._dynamodb_stream_positions[self.mapping["UUID"]] = min(
                lane.checkpoint for lane in lanes
            )


_lanes: dict[str, list[Lane]] = {}
_lanes_lock = threading.Lock()


def _arrival(record: Record) -> float:
    return float(record["dynamodb"]["ApproximateCreationDateTime"])


def _iso(seconds: float, precision: str = "seconds") -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec=precision)[:-6] + "Z"


def _start_lanes() -> bool:
    """Give lanes to each mapping without them; called from the emulator's poll loop."""
    with _lanes_lock:
        mappings = {
            mapping["UUID"]: (account, region, mapping)
            for account, region, mapping in lambda_svc._iter_all_esms()
            if ":dynamodb:" in mapping.get("EventSourceArn", "")
        }
        for uuid in _lanes.keys() - mappings.keys():
            del _lanes[uuid]
        for uuid, (account, region, mapping) in mappings.items():
            count = int(mapping.get("ParallelizationFactor") or 1)
            if len(_lanes.get(uuid, ())) != count:  # new, or its factor was changed
                _lanes[uuid] = [Lane(account, region, mapping, number) for number in range(count)]
                for lane in _lanes[uuid]:
                    lane.start()
    return False


def _create_mapping(original: Callable[..., Any], request: dict[str, Any]) -> Any:
    if ":dynamodb:" in request.get("EventSourceArn", ""):
        request = {**DEFAULTS, **request}
    response = original(request)
    _start_lanes()
    return response


def _emit(original: Callable[..., None], table: str, *args: Any, **kwargs: Any) -> None:
    original(table, *args, **kwargs)
    account, region = get_account_id(), get_region()
    for lanes in list(_lanes.values()):
        for lane in lanes:
            if (lane.account, lane.region, lane.table) == (account, region, table):
                lane.wake.set()


def install() -> None:
    """Read DynamoDB streams by lanes instead of in the emulator's poll loop."""
    replace(lambda_svc, "_poll_dynamodb_streams", _start_lanes)
    wrap(lambda_svc, "_create_esm", _create_mapping)
    wrap(dynamodb, "_emit_stream_event", _emit)
