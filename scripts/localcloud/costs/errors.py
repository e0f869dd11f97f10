"""What the services refuse with.

https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/CommonErrors.html
"""

from __future__ import annotations

#: Everything else is 400.
_STATUS = {"InternalServerException": 500}


class CostsError(Exception):
    """A refusal, with its code and the other members of its document."""

    def __init__(self, code: str, message: str, **members: str) -> None:
        super().__init__(message)
        self.code = code
        self.members = members

    @property
    def status(self) -> int:
        """The HTTP status."""
        return _STATUS.get(self.code, 400)


def invalid(message: str) -> CostsError:
    """A request that breaks a rule."""
    return CostsError("ValidationException", message)
