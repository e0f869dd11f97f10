"""An account for the doctor."""

from __future__ import annotations

import pytest

from tests.deployment.fake_aws import FakeAws


@pytest.fixture
def aws() -> FakeAws:
    return FakeAws()
