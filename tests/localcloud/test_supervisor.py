"""The supervisor with real processes: whatever happens, no process is left behind."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from localcloud.database import Database
from localcloud.emulator_process import health
from localcloud.endpoints import account_session
from localcloud.lock import CloudLock
from localcloud.prerequisites import missing_for_cloud
from localcloud.processes import ProcessRecord, wait_until
from localcloud.settings import SCRIPTS, LocalCloudError, Settings
from localcloud.supervisor import LocalCloud

SLEEPER = "import time\ndef handler(event, context):\n    time.sleep(600)\n"


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Children heed SIGINT from their first moment, also below a shell's background job."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def describe(settings: Settings) -> dict[str, Any]:
    described: dict[str, Any] = json.loads(settings.ready_file.read_text())
    return described


def sessions_of(settings: Settings) -> set[int]:
    """The sessions that the cloud's processes lead."""
    described = describe(settings)
    return {described[name] for name in ("pid", "emulator_pid", "database_pid") if described[name]}


def members(sessions: set[int]) -> list[int]:
    """The processes that run in these sessions."""
    found = []
    for process in psutil.process_iter(["status"]):
        try:
            if os.getsid(process.pid) in sessions and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def nothing_left(settings: Settings, sessions: set[int]) -> bool:
    return (
        not members(sessions)
        and not settings.ready_file.exists()
        and not list(settings.local_dir.rglob("*.sock"))
    )


def command(settings: Settings, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "localcloud", *arguments],
        env={**os.environ, **settings.to_environment(), "PYTHONPATH": str(SCRIPTS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextmanager
def in_the_foreground(settings: Settings) -> Iterator[subprocess.Popen[str]]:
    with command(settings, "run") as process:
        try:
            yield process
        finally:
            process.kill()  # a test that has failed would wait for it


def run(settings: Settings, *arguments: str) -> tuple[int, str]:
    with command(settings, *arguments) as process:
        output, _ = process.communicate(timeout=120)
        return process.returncode, output


def invoke_sleeper(url: str) -> None:
    """Leave a function running in the emulator."""
    session = account_session("111111111111", url)
    role = session.client("iam").create_role(RoleName="sleeper", AssumeRolePolicyDocument="{}")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("index.py", SLEEPER)
    functions = session.client("lambda")
    functions.create_function(
        FunctionName="sleeper",
        Role=role["Role"]["Arn"],
        Runtime="python3.13",
        Handler="index.handler",
        Timeout=900,
        Code={"ZipFile": archive.getvalue()},
    )
    functions.get_waiter("function_active_v2").wait(
        FunctionName="sleeper", WaiterConfig={"Delay": 0.1, "MaxAttempts": 200}
    )
    functions.invoke(FunctionName="sleeper", InvocationType="Event")


@pytest.fixture
def cloud(local_settings: Settings) -> Iterator[LocalCloud]:
    cloud = LocalCloud(local_settings)
    yield cloud
    cloud.stop()


def test_starts_answers_and_leaves_nothing_when_stopped(cloud: LocalCloud) -> None:
    cloud.start()
    assert health(cloud.endpoint_url)["auth"] == "enabled"
    sessions = sessions_of(cloud.settings)
    assert len(sessions) == 3
    cloud.stop()
    assert nothing_left(cloud.settings, sessions)
    with pytest.raises(OSError, match="refused"):
        health(cloud.endpoint_url.replace(":0", ":1"))


def test_start_and_stop_are_idempotent(cloud: LocalCloud) -> None:
    cloud.stop()
    first = describe(cloud.start().settings)
    assert describe(cloud.start().settings) == first
    assert describe(LocalCloud(cloud.settings).start().settings) == first
    cloud.stop()
    cloud.stop()


def test_concurrent_starts_make_one_cloud(local_settings: Settings) -> None:
    commands = [command(local_settings, "up") for _ in range(3)]
    outputs = [process.communicate(timeout=120)[0] for process in commands]
    try:
        assert [process.returncode for process in commands] == [0, 0, 0], outputs
        url = describe(local_settings)["endpoint_url"]
        assert all(f"is up: {url}" in output for output in outputs)
    finally:
        assert run(local_settings, "down") == (0, "The local cloud is down.\n")


def test_cloud_ends_with_a_function_that_does_not(cloud: LocalCloud) -> None:
    cloud.start()
    sessions = sessions_of(cloud.settings)
    before = set(members(sessions))
    invoke_sleeper(cloud.endpoint_url)
    assert wait_until(lambda: bool(set(members(sessions)) - before), 20)
    cloud.stop()
    assert nothing_left(cloud.settings, sessions)


@pytest.mark.parametrize("part", ["emulator_pid", "database_pid", "pid"])
def test_killing_any_part_ends_all_and_it_starts_again(cloud: LocalCloud, part: str) -> None:
    cloud.start()
    invoke_sleeper(cloud.endpoint_url)
    sessions = sessions_of(cloud.settings)
    os.kill(describe(cloud.settings)[part], signal.SIGKILL)
    killed_keeper = part == "pid"
    if killed_keeper:  # nobody is left to tidy up but the next start or stop
        gone = {describe(cloud.settings)["database_pid"], describe(cloud.settings)["emulator_pid"]}
        assert wait_until(lambda: not gone & set(members(sessions)), 20)
        cloud.stop()
    assert wait_until(lambda: nothing_left(cloud.settings, sessions), 20)
    cloud.start()
    assert health(cloud.endpoint_url)
    assert not members(sessions)


def test_start_after_a_crash_ends_what_was_left(cloud: LocalCloud) -> None:
    cloud.start()
    invoke_sleeper(cloud.endpoint_url)
    sessions = sessions_of(cloud.settings)
    os.kill(describe(cloud.settings)["pid"], signal.SIGKILL)
    LocalCloud(cloud.settings).stop()
    assert nothing_left(cloud.settings, sessions)


def test_two_clouds_run_side_by_side(cloud: LocalCloud, tmp_path_factory: Any) -> None:
    folder = cloud.settings.local_dir / "other"
    folder.mkdir(mode=0o755)
    cloud.start()
    with LocalCloud(replace(cloud.settings, local_dir=folder)) as other:
        assert cloud.endpoint_url != other.endpoint_url
        for each, value in ((cloud, "one"), (other, "two")):
            ssm = account_session(url=each.endpoint_url).client("ssm")
            ssm.put_parameter(Name="/which", Value=value, Type="String")
        found = account_session(url=cloud.endpoint_url).client("ssm").get_parameter(Name="/which")
        assert found["Parameter"]["Value"] == "one"
        sessions = sessions_of(other.settings)
    assert nothing_left(other.settings, sessions)
    assert health(cloud.endpoint_url)


def test_refuses_a_port_that_is_in_use(local_settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(LocalCloudError, match=f"Port {port} .* FINOPS_PORT=") as refused:
            LocalCloud(replace(local_settings, port=port)).start()
    assert "another program" in str(refused.value)
    assert not list(local_settings.local_dir.rglob("*.sock"))
    assert not local_settings.ready_file.exists()


@pytest.mark.usefixtures("interruptible")
def test_interrupt_in_the_foreground_leaves_nothing(local_settings: Settings) -> None:
    with in_the_foreground(local_settings) as process:
        assert wait_until(local_settings.ready_file.exists, 60)
        sessions = sessions_of(local_settings) - {process.pid}
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
    assert process.returncode == 0
    assert nothing_left(local_settings, sessions)


@pytest.mark.usefixtures("interruptible")
def test_interrupt_while_starting_leaves_nothing(local_settings: Settings) -> None:
    for delay in (0.1, 0.2, 0.3, 0.5, 0.8):
        with in_the_foreground(local_settings) as process:
            time.sleep(delay)
            recorded = CloudLock(local_settings.lock_file).read()
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=120)
        sessions = {record.pid for name, record in recorded.items() if name != "keeper"}
        # What was killed with the installer that had started it may still be ending.
        assert wait_until(partial(nothing_left, local_settings, sessions), 20)


def test_cloud_of_a_test_ends_with_its_process(local_settings: Settings) -> None:
    program = "import time; from localcloud.supervisor import LocalCloud; LocalCloud().start()"
    parent = subprocess.Popen(
        [sys.executable, "-c", f"{program}; print('up', flush=True); time.sleep(600)"],
        env={**os.environ, **local_settings.to_environment(), "PYTHONPATH": str(SCRIPTS)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    with parent:
        assert parent.stdout.readline() == "up\n"
        sessions = sessions_of(local_settings)
        parent.kill()
    assert wait_until(lambda: nothing_left(local_settings, sessions), 20)


def test_up_leaves_the_cloud_up_with_its_state(local_settings: Settings) -> None:
    settings = replace(local_settings, persist=True)
    try:
        assert run(settings, "up")[0] == 0
        ssm = account_session(url=describe(settings)["endpoint_url"]).client("ssm")
        ssm.put_parameter(Name="/kept", Value="yes", Type="String")
        assert run(settings, "down")[0] == 0
        assert run(settings, "up")[0] == 0
        ssm = account_session(url=describe(settings)["endpoint_url"]).client("ssm")
        assert ssm.get_parameter(Name="/kept")["Parameter"]["Value"] == "yes"
    finally:
        run(settings, "down")


def test_status_has_a_row_for_each_service(cloud: LocalCloud) -> None:
    def states() -> dict[str, str]:
        code, output = run(cloud.settings, "status", "--json")
        assert code == 0
        return {row["service"]: row["state"] for row in json.loads(output)["services"]}

    assert states() == {"emulator": "down", "database": "down"}
    cloud.start()
    assert {"emulator": "up", "database": "up", "ssm_change_events": "up"}.items() <= (
        states().items()
    )
    assert "emulator" in run(cloud.settings, "status")[1]


def test_emulator_sees_nothing_of_a_real_account(
    cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID", "GITHUB_TOKEN"):
        monkeypatch.setenv(name, "real-secret")
    cloud.start()
    environment = psutil.Process(describe(cloud.settings)["emulator_pid"]).environ()
    assert "real-secret" not in environment.values()
    assert environment["HOME"].startswith(str(cloud.settings.local_dir))


def test_runs_without_a_database(local_settings: Settings) -> None:
    with LocalCloud(replace(local_settings, database=False)) as cloud:
        assert describe(cloud.settings)["database_pid"] is None
        rows = {row.service: row.state for row in cloud.status().services}
        assert rows["database"] == "off"


def test_names_what_is_missing_with_its_remedy(
    local_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localcloud.prerequisites.program", lambda _: None)
    settings = replace(local_settings, emulator_python=Path("/nowhere/python"))
    interpreter, database = map(str, missing_for_cloud(settings))
    assert "/nowhere/python" in interpreter
    assert "scripts/bootstrap emulator" in interpreter
    assert "mariadb-server" in database
    assert "FINOPS_DATABASE=false" in database
    assert len(missing_for_cloud(replace(settings, database=False))) == 1
    with pytest.raises(LocalCloudError, match="This machine lacks:"):
        LocalCloud(settings).start()


def test_socket_path_fits_however_long_the_folder_is(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    assert len(os.fsencode(Database(Settings(local_dir=folder)).socket)) <= 103


def test_uses_the_endpoint_that_localstack_host_names(cloud: LocalCloud) -> None:
    cloud.start()
    address = cloud.endpoint_url.removeprefix("http://")
    settings = replace(cloud.settings, external=address, local_dir=Path("/nonexistent"))
    with LocalCloud(settings) as other:
        assert other.status().running
        assert other.endpoint_url == f"http://{address}"
    assert health(cloud.endpoint_url)


def test_says_so_when_localstack_host_does_not_answer(local_settings: Settings) -> None:
    with pytest.raises(LocalCloudError, match=r"LOCALSTACK_HOST names http://127\.0\.0\.1:1"):
        LocalCloud(replace(local_settings, external="127.0.0.1:1")).start()


@pytest.mark.parametrize(
    ("name", "value"),
    [("FINOPS_PORT", "http"), ("FINOPS_PORT", "65536"), ("FINOPS_AUTH", "maybe")],
)
def test_refuses_an_invalid_setting(name: str, value: str) -> None:
    with pytest.raises(LocalCloudError, match=f"{name} is '{value}'"):
        Settings.from_environment({name: value})


def test_settings_survive_the_environment(tmp_path: Path) -> None:
    settings = Settings(
        local_dir=tmp_path,
        port=4599,
        auth=False,
        database=False,
        persist=False,
        emulator_python=tmp_path / "python",
        external="localhost:4566",
        emulator_environment={"FINOPS_DATA_API_LATENCY_MS": "5"},
    )
    assert Settings.from_environment(settings.to_environment()) == settings


def test_a_reused_pid_is_left_alone() -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
        ours = ProcessRecord(stranger.pid, "another boot:1")
        assert not ours.is_running()
        ours.end(0)
        assert stranger.poll() is None
        ProcessRecord.of(stranger.pid).end(1)
        assert stranger.wait(60) == -signal.SIGTERM


def test_an_orphaned_group_is_ended() -> None:
    script = "import subprocess,sys; subprocess.Popen(['sleep','60']); sys.stdin.read()"
    leader = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, start_new_session=True
    )
    with leader:
        record = ProcessRecord.of(leader.pid)
        assert wait_until(lambda: len(members({leader.pid})) == 2, 10)
        leader.communicate()
    assert members({leader.pid})
    record.end(0)
    assert wait_until(lambda: not members({leader.pid}), 5)


def test_start_from_a_thread_outlives_the_thread(cloud: LocalCloud) -> None:
    thread = threading.Thread(target=cloud.start)
    thread.start()
    thread.join()
    time.sleep(1)
    assert health(cloud.endpoint_url)
