"""An endpoint that stands for the spoke accounts of an organization, within AWS's limits.

It answers what a drift run calls in each account: AssumeRole, GetParametersByPath, DescribeBudgets
and PutParameter. Each account has one budget as its row says; every hundredth has another amount,
until its parameter is written. Calls beyond an account's rate are refused as AWS refuses them, so
that the run has to slow down and try again.

Limits: https://docs.aws.amazon.com/general/latest/gr/ssm.html (40 reads and 3 writes a second); AWS
publishes none for Budgets, so it gets 5. `LATENCY` is what a call takes at least.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections import Counter, defaultdict
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from finops.budgets.attributes import aws_settings
from finops.budgets.documents import BudgetDocument
from finops.budgets.domain import BudgetKey, edit_version
from finops.budgets.rows import parse_budget

LATENCY: Final = 0.02
#: Calls a second of one account.
RATES: Final = {"GetParametersByPath": 40, "PutParameter": 3, "DescribeBudgets": 5}
_DAY: Final = 86400


def document_of(account_id: str) -> BudgetDocument:
    """What the table wants of an account."""
    key = BudgetKey(account_id=account_id, budget_name="monthly-total")
    row = {"account_id": account_id, "budget_name": key.budget_name, "amount": "100.00"}
    return BudgetDocument(
        key=key,
        version=edit_version("1"),
        request_id="bench",
        edited_at=None,
        budget=parse_budget(row),
    )


def has_drifted(account_id: str) -> bool:
    return int(account_id) % 100 == 0


class Spokes(ThreadingHTTPServer):
    """All accounts, what was called, and what was refused."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Calls)
        self.calls: Counter[str] = Counter()
        self.spent: dict[tuple[str, str, int], int] = defaultdict(int)
        self.lock = threading.Lock()

    def allows(self, operation: str, account_id: str) -> bool:
        """Count the call, and whether it is within the account's rate."""
        with self.lock:
            second = (operation, account_id, int(time.monotonic()))
            self.spent[second] += 1
            allowed = self.spent[second] <= RATES.get(operation, sys.maxsize)
            self.calls[operation if allowed else "throttled"] += 1
        return allowed


class _Calls(BaseHTTPRequestHandler):
    server: Spokes
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(200, dict(self.server.calls))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        time.sleep(LATENCY)
        target = self.headers.get("X-Amz-Target", "")
        if not target:
            self.server.allows("AssumeRole", "")
            self._assume(re.findall(r"iam%3A%3A(\d{12})", body)[0])
            return
        operation = target.rpartition(".")[2]
        account_id = self.headers["Authorization"].partition("Credential=ASIA")[2][:12]
        if not self.server.allows(operation, account_id):
            self._answer(400, {"__type": "ThrottlingException", "message": "Rate exceeded"})
            return
        document = document_of(account_id)
        found: dict[str, Any] = {"Version": 2}
        if operation == "GetParametersByPath":
            name = f"/finops/budgets/{document.key.budget_name}"
            value = {"Name": name, "Value": document.encode(), "Type": "String", "Version": 1}
            found = {"Parameters": [value]}
        elif operation == "DescribeBudgets" and document.budget:
            settings = aws_settings(document.budget, datetime.now(UTC))
            if has_drifted(account_id):
                settings["BudgetLimit"] = {"Amount": "1", "Unit": "USD"}
            kept = {"BudgetName": document.key.budget_name, "BudgetType": "COST"}
            found = {"Budgets": [kept | settings]}
        self._answer(200, found)

    def _assume(self, account_id: str) -> None:
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + _DAY))
        self._send(
            200,
            "text/xml",
            '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
            f"<AssumeRoleResult><Credentials><AccessKeyId>ASIA{account_id}</AccessKeyId>"
            "<SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>"
            f"<Expiration>{until}</Expiration></Credentials></AssumeRoleResult>"
            "</AssumeRoleResponse>",
        )

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        self._send(status, "application/x-amz-json-1.1", json.dumps(body))

    def _send(self, status: int, kind: str, text: str) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None: ...


if __name__ == "__main__":
    with Spokes() as spokes:
        print(spokes.server_port, flush=True)
        spokes.serve_forever()
