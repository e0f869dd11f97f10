"""The context object that Lambda passes to a function."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Context:
    function_name: str = "finops-test"
    memory_limit_in_mb: int = 128
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:111111111111:function:finops-test"
    aws_request_id: str = "request"

    def get_remaining_time_in_millis(self) -> int:
        return 120_000
