"""Records what a person does at the command line in the audit trail."""

from __future__ import annotations

import json
import sys
from typing import Any

from finops.audit.recorder import SqsAuditRecorder
from finops.shared.audit import AuditEvent
from finops.shared.errors import FinOpsError


class CommandRecorder:
    """`AuditRecorder` of a person's command.

    An entry that cannot be sent is printed on stderr for `finops audit recover`; the command does
    not fail, because its work is done.

    Args:
        sqs: A client.
        queue_url: The queue of the trail; empty if no trail is deployed.
    """

    def __init__(self, sqs: Any, queue_url: str) -> None:
        self._queue_url = queue_url
        self._queue = SqsAuditRecorder(sqs, queue_url, code_version="")

    def record(self, *events: AuditEvent) -> None:
        """Send the events."""
        if not self._queue_url:
            return
        for event in events:
            document = event.document(code_version="")
            try:
                refused = [reason for _, reason in self._queue.send([document])]
            except FinOpsError as error:
                refused = [str(error)]
            for reason in refused:
                # Never on stdout, which is for answers.
                sys.stderr.write(f"the audit trail did not take this entry: {reason}\n")
                sys.stderr.write(json.dumps({"audit_entry": document}) + "\n")
