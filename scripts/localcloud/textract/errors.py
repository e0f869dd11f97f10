"""What Textract refuses with: https://docs.aws.amazon.com/textract/latest/APIReference/."""

from __future__ import annotations

#: Everything else is 400.
_STATUS = {"InternalServerError": 500}


class TextractError(Exception):
    """A refusal, with its code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    @property
    def status(self) -> int:
        """The HTTP status."""
        return _STATUS.get(self.code, 400)
