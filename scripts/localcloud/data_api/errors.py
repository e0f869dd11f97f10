"""The typed errors of the RDS Data API."""

from __future__ import annotations

_STATUS = {
    "AccessDeniedException": 403,
    "NotFoundException": 404,
    "TransactionNotFoundException": 404,
    "InternalServerErrorException": 500,
    "DatabaseUnavailableException": 504,
}


class DataApiError(Exception):
    """An error as AWS answers it: a code that the service model knows, and a message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def status(self) -> int:
        """The HTTP status that goes with the code."""
        return _STATUS.get(self.code, 400)


def bad_request(message: str) -> DataApiError:
    """An error in the call itself."""
    return DataApiError("BadRequestException", message)
