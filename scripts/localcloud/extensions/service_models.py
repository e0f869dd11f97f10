"""The services that botocore describes are listed once, not for each one that is asked for.

For the content type of each service's answers MiniStack makes a session of botocore, which lists
the folders of some 400 services again: a third of the processor time of a cloud's first answers.
"""

from __future__ import annotations

import functools
from typing import Any

import botocore.session
from botocore.exceptions import UnknownServiceError
from ministack.core import responses

from localcloud.extensions._patch import replace


def install() -> None:
    """Ask one session for all services."""
    session = botocore.session.get_session()

    @functools.cache
    def service_model(service: str) -> Any:
        try:
            return session.get_service_model(responses._BOTOCORE_NAME.get(service, service))
        except UnknownServiceError:
            return None

    replace(responses, "_service_model", service_model)
