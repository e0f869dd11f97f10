"""The local cloud of a test run, or the endpoint that LOCALSTACK_HOST names."""

from __future__ import annotations

import functools
import gc
import os
import shutil
import tempfile
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import botocore.session
import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

from localcloud.endpoints import (
    MANAGEMENT_ACCOUNT,
    REGION,
    AccountSession,
    account_session,
    endpoint_url,
)
from localcloud.settings import REPOSITORY, Settings
from localcloud.supervisor import LocalCloud
from tests.capabilities import Capabilities, capabilities_of
from tests.durations import Durations, group_of

# How long an example takes says something of the machine only.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")

# Each session would read the descriptions of AWS's services anew, longer than most tests take.
botocore.session.create_loader = functools.cache(botocore.session.create_loader)

# Retries as AWS makes them, and transactions that a lost function leaves, without AWS's minutes.
QUICK_RETRIES = {
    "FINOPS_ASYNC_RETRY_SECONDS": "0.1",
    "FINOPS_STREAM_RETRY_SECONDS": "0.05",
    "FINOPS_DATA_API_IDLE_SECONDS": "30",
    "FINOPS_STATE_RETRY_SCALE": "0.1",
}


# The lifecycle makes the deployment that flows are copied from. What needs no copy goes on beside
# it, then the files that take longest: those that end a run leave the other workers idle.
FIRST = (
    "flows/test_lifecycle",
    "environments",
    "build",
    "localcloud",
    "flows/test_invoices_faults",
    "flows/test_load",
    "flows/test_invoices_least_privilege",
    "flows/test_faults",
    "flows/test_billing_faults",
    "flows/test_console",
)

#: Folders whose tests share what takes long to start, such as a provider of Terraform.
_TOGETHER = ("tests/environments/",)

_FAILED = REPOSITORY / ".local" / "failed"
_LINES = 30


def pytest_configure(config: pytest.Config) -> None:
    """Tell at the end where the time went."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Durations())


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage in what is imported and collected, then or later: it stays to the end.

    That took a third of the collection's time, and seconds at the end of each worker.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name binary parameters by number: gzip's hold the time, and workers must agree on names."""
    return argname if isinstance(val, bytes) and not val.decode("latin-1").isprintable() else None


class FilesTogether(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """A file stays on one worker: what its tests share, as a deployment or a plan, is made once."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((folder for folder in _TOGETHER if file.startswith(folder)), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FilesTogether:
    """Hand out tests to workers."""
    return FilesTogether(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what others wait for, then with the flows: a file of them stays on one worker."""

    def rank(item: pytest.Item) -> tuple[int, bool]:
        group = group_of(item.nodeid)
        place = FIRST.index(group) if group in FIRST else len(FIRST)
        return place, not group.startswith("flows/")

    items.sort(key=rank)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what a test failed with, and the logs of its cloud, while the run goes on."""
    report = yield
    if not report.failed:
        return report
    kept = _FAILED / "".join(one if one.isalnum() else "-" for one in item.nodeid)[-150:]
    kept.mkdir(parents=True, exist_ok=True)
    (kept / f"{report.when}.txt").write_text(report.longreprtext)
    cloud = getattr(item, "funcargs", {}).get("local_cloud")
    if isinstance(cloud, CloudUnderTest) and cloud.settings.logs.is_dir():
        shutil.copytree(cloud.settings.logs, kept, dirs_exist_ok=True)
        log = kept / "emulator.log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        where = kept.relative_to(REPOSITORY)
        report.sections.append((f"local cloud, logs in {where}", "\n".join(lines[-_LINES:])))
    return report


class CloudUnderTest:
    """A running endpoint and the ways to call it."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.settings = cloud.settings
        self.endpoint_url = cloud.endpoint_url
        self.port = int(self.endpoint_url.rpartition(":")[2])
        self.capabilities = capabilities_of(self.endpoint_url)

    def account_session(self, account_id: str = MANAGEMENT_ACCOUNT) -> AccountSession:
        """A session as root of an account."""
        return account_session(account_id, self.endpoint_url)

    def environment(self, account_id: str = MANAGEMENT_ACCOUNT) -> Mapping[str, str]:
        """Variables by which an AWS SDK, the AWS CLI and Terraform use this endpoint only."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": account_id,
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


@pytest.fixture
def local_settings() -> Iterator[Settings]:
    """Settings of a cloud of this test's own: a fresh folder and any free port."""
    with fresh_settings() as settings:
        yield settings


@pytest.fixture(scope="session")
def local_cloud() -> Iterator[CloudUnderTest]:
    """One running cloud for the session (for each worker, under pytest-xdist).

    It ends with the session, however that ends. With LOCALSTACK_HOST nothing is started.
    """
    with named_or_fresh_cloud() as cloud:
        yield cloud


@pytest.fixture
def aws_environment(local_cloud: CloudUnderTest, monkeypatch: pytest.MonkeyPatch) -> CloudUnderTest:
    """The cloud, to which this process's own SDK calls go while the test runs."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in local_cloud.environment().items():
        monkeypatch.setenv(name, value)
    return local_cloud


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test by the name of what the endpoint lacks, before fixtures of any scope use it."""
    needed = [one for marker in item.iter_markers("needs") for one in marker.args]
    settings = Settings.from_environment()
    if needed and settings.external:
        skip_where_lacking(capabilities_of(endpoint_url(settings)), needed)


@pytest.fixture(autouse=True)
def _needed_capabilities(request: pytest.FixtureRequest) -> None:
    """The same for a cloud of our own, which is started when a test first asks for it."""
    needed = [one for marker in request.node.iter_markers("needs") for one in marker.args]
    if needed:
        cloud: CloudUnderTest = request.getfixturevalue("local_cloud")
        skip_where_lacking(cloud.capabilities, needed)


def skip_where_lacking(capabilities: Capabilities, needed: Iterable[str]) -> None:
    """Skip the test by the name of the first capability that the endpoint lacks."""
    for capability in needed:
        if reason := capabilities.lacking(capability):
            pytest.skip(f"{capabilities.endpoint_url} lacks {capability}: {reason}")


@contextmanager
def named_or_fresh_cloud() -> Iterator[CloudUnderTest]:
    """The endpoint that LOCALSTACK_HOST names, else a fresh cloud of our own."""
    with fresh_settings() as fresh:
        settings = replace(fresh, external=os.environ.get("LOCALSTACK_HOST") or None)
        with LocalCloud(settings) as cloud:
            yield CloudUnderTest(cloud)


@contextmanager
def fresh_settings() -> Iterator[Settings]:
    """Settings of a cloud in a fresh folder, on any free port."""
    # A path short enough for sockets, and open to the database's user.
    folder = Path(tempfile.mkdtemp(prefix="finops-"))
    folder.chmod(0o755)
    configured = Settings.from_environment()
    try:
        yield replace(
            configured,
            local_dir=folder,
            port=0,
            persist=False,
            external=None,
            emulator_environment={**QUICK_RETRIES, **configured.emulator_environment},
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
