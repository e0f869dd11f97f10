"""A file that a public service publishes."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Final
from urllib.parse import urlparse

from finops.shared.errors import ConfigurationError, TransientFailure
from finops.shared.public_web import NotPublicError, opener, require_public

#: Bytes; the ECB's history as XML has 8 MB.
LARGEST: Final = 16 << 20
_ATTEMPTS: Final = 3
#: Seconds: for an answer, and before the second attempt; each further pause is twice as long.
_PATIENCE: Final = 10
_PAUSE: Final = 2
#: Seconds for a whole content, which may come byte by byte.
_LONGEST: Final = 30
_STEP: Final = "fetch_rates"


class Download:
    """Gets a file, within bounds of size and time, and from a public service only.

    Args:
        url: An https URL.
        public: Whether it must be one, and lead to public addresses.
        pause: Waits so many seconds.
        clock: Seconds of a clock that never goes back.
    """

    def __init__(
        self,
        url: str,
        *,
        public: bool = True,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._public = public
        self._open = opener(public=public).open
        self._pause = pause
        self._clock = clock

    def __call__(self) -> bytes:
        """The content, at the third attempt at the latest.

        Raises:
            ConfigurationError: the URL leads nowhere, elsewhere, or to something too large.
            TransientFailure: it does not answer, or is busy.
        """
        for attempt in range(_ATTEMPTS - 1):
            try:
                return self._content()
            except TransientFailure:
                self._pause(_PAUSE * 2**attempt)
        return self._content()

    def _content(self) -> bytes:
        try:
            if self._public:
                require_public(self._url)
            request = urllib.request.Request(  # noqa: S310 - the scheme is checked
                self._url, headers={"User-Agent": "finops"}
            )
            with self._open(request, timeout=_PATIENCE) as answer:
                return self._read(answer)
        except NotPublicError as error:
            raise self._refused("unsafe_url", f"{error}") from None
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in {408, 429, *range(500, 600)}:
                raise self._failed(f"answered HTTP {error.code}") from None
            where = " (redirects are not followed)" if 300 <= error.code < 400 else ""
            raise self._refused("download_refused", f"answered HTTP {error.code}{where}") from None
        except (OSError, http.client.HTTPException) as error:
            raise self._failed(f"could not be reached: {type(error).__name__}") from None

    def _read(self, answer: http.client.HTTPResponse) -> bytes:
        content = bytearray()
        until = self._clock() + _LONGEST
        # One read of the connection at a time.
        while piece := answer.read1(1 << 16):
            content += piece
            if len(content) > LARGEST:
                raise self._refused("download_too_large", f"has more than {LARGEST >> 20} MiB")
            if self._clock() > until:
                raise self._failed(f"took more than {_LONGEST} s")
        if answer.length:
            raise self._failed(f"ended {answer.length:,} bytes before its end")
        return bytes(content)

    def _failed(self, why: str) -> TransientFailure:
        return TransientFailure(f"{self._where} {why}", code="download_failed", step=_STEP)

    def _refused(self, code: str, why: str) -> ConfigurationError:
        return ConfigurationError(
            f"{self._where} {why}",
            code=code,
            step=_STEP,
            remedy="Give `rates.ecb.url` the https URL of the file at a public service",
        )

    @property
    def _where(self) -> str:
        # A path or a query may hold a key of a private mirror.
        return f"the file of rates at {urlparse(self._url).hostname}"
