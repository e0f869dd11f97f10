"""The three kinds of failure, by what should happen next.

`RejectedInput` is never retried: a person must change the input. `TransientFailure` is raised to
the caller, so that the event source retries. `ConfigurationError` raises an alarm: retrying alone
does not help, and an operator must fix the deployment.
"""

from __future__ import annotations


class FinOpsError(Exception):
    """A failure with a stable `code`, and the facts a reader needs to act on it.

    Args:
        message: What was wrong, with the value.
        code: A stable, snake_case name for scripts and dashboards.
        step: Which step of the flow failed, such as `assume_role`.
        remedy: What the reader can do about it.
    """

    def __init__(self, message: str, *, code: str, step: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.step = step
        self.remedy = remedy

    @property
    def explanation(self) -> str:
        """The message and the remedy, as people read them."""
        return f"{self.message}. {self.remedy}" if self.remedy else self.message

    def __str__(self) -> str:
        """The message, the step and the remedy in one line, as logs show them."""
        where = f" (step {self.step})" if self.step else ""
        advice = f". {self.remedy}" if self.remedy else ""
        return f"{self.message}{where}{advice}"


class RejectedInput(FinOpsError):
    """The input breaks a rule; the same input will always be refused."""

    def __init__(
        self,
        message: str,
        *,
        code: str,
        field: str = "",
        value: object = None,
        step: str = "validate",
        remedy: str = "",
    ) -> None:
        super().__init__(message, code=code, step=step, remedy=remedy)
        self.field = field
        self.value = value


class TransientFailure(FinOpsError):
    """A throttle, a timeout or a server error: the same work may succeed when it is tried again."""


class ConfigurationError(FinOpsError):
    """The deployment is wrong or incomplete: a role, a permission or a module is missing."""
