"""Copies of a deployment: what moves with them, and when an old one is found again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest

from localcloud import deployed, emulator_process
from localcloud.emulator_process import EmulatorProcess
from localcloud.processes import ProcessRecord
from localcloud.settings import LocalCloudError, Settings
from localcloud.snapshot import EMULATOR_PARTS, TERRAFORM_STATE, Snapshot

QUEUE = "http://127.0.0.1:4571/111111111111/finops-files"


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    folder = tmp_path / "snapshot"
    for name, text in {
        "emulator/state/sqs.json": f'{{"url": "{QUEUE}"}}',
        "emulator/state/lambda.json": '{"at": "localhost:4571", "other": "127.0.0.1:45710"}',
        "emulator/s3/bucket/key": "as it is: 127.0.0.1:4571",
        "terraform/local/terraform.tfstate": json.dumps(
            {"outputs": {"queue": {"value": QUEUE}, "tables": {"value": ["a", "b"]}}}
        ),
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    made = Snapshot(folder)
    assert not made.is_whole
    made.describe(4571)
    assert made.is_whole
    return made


def test_a_copy_answers_at_its_own_port_and_nowhere_else(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    snapshot.restore_emulator(tmp_path / "cloud", 33123)
    state = tmp_path / "cloud" / "emulator" / "state"
    assert json.loads((state / "sqs.json").read_text()) == {"url": QUEUE.replace("4571", "33123")}
    assert json.loads((state / "lambda.json").read_text()) == {
        "at": "localhost:33123",
        "other": "127.0.0.1:45710",
    }
    assert (state.parent / "s3" / "bucket" / "key").read_text() == "as it is: 127.0.0.1:4571"
    assert snapshot.outputs(33123) == {
        "queue": QUEUE.replace("4571", "33123"),
        "tables": ["a", "b"],
    }
    snapshot.restore_terraform(tmp_path / "cloud", 33123)
    assert (
        "127.0.0.1:33123"
        in (tmp_path / "cloud" / "terraform" / "local" / "terraform.tfstate").read_text()
    )


def test_two_copies_share_nothing(snapshot: Snapshot, tmp_path: Path) -> None:
    for name in ("one", "two"):
        snapshot.restore_emulator(tmp_path / name, 5000)
    (tmp_path / "one" / "emulator" / "s3" / "bucket" / "key").write_text("changed")
    assert (tmp_path / "two" / "emulator" / "s3" / "bucket" / "key").read_text() != "changed"


@pytest.mark.parametrize("obeys", [True, False])
def test_what_was_killed_before_it_had_saved_its_state_becomes_no_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, obeys: bool
) -> None:
    settings = Settings(local_dir=tmp_path, persist=True, database=False)
    emulator = EmulatorProcess(settings, tmp_path / "socket")
    (tmp_path / "emulator").mkdir()

    class Cloud:
        endpoint_url = "http://127.0.0.1:4571"

        def __init__(self, _: Settings) -> None:
            pass

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            ignore = "import signal,sys;signal.signal(15,signal.SIG_IGN);print(flush=True);"
            script = ("print(flush=True);" if obeys else ignore) + "import time;time.sleep(600)"
            with subprocess.Popen(
                [sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True
            ) as process:
                assert process.stdout
                process.stdout.readline()
                threading.Thread(target=process.wait).start()  # the keeper is its parent
                monkeypatch.setattr(emulator_process, "_STOP_SECONDS", 60.0 if obeys else 0.1)
                emulator.stop(ProcessRecord.of(process.pid))

    @contextmanager
    def applied(_: object) -> Iterator[Any]:
        yield SimpleNamespace(apply=lambda: None)

    monkeypatch.setattr(deployed, "LocalCloud", Cloud)
    monkeypatch.setattr(deployed, "local_environment", lambda *_, **__: None)
    monkeypatch.setattr(deployed, "over_http", applied)
    for part in (*EMULATOR_PARTS, TERRAFORM_STATE):
        (tmp_path / part).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / part).write_text("")
    made = Snapshot(tmp_path / "kept")
    if obeys:
        deployed._make(made, settings, tmp_path, {})
    else:
        with pytest.raises(LocalCloudError, match="killed before it had saved"):
            deployed._make(made, settings, tmp_path, {})
    assert (made.is_whole, emulator.has_saved_all) == (obeys, obeys)


class Applies:
    """Stands in for an apply, which takes a minute: writes what it would leave."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, packages: Path) -> None:
        self.count = 0
        self.packages = packages
        monkeypatch.setattr(deployed, "_make", self._make)

    def _make(self, snapshot: Snapshot, *_: Any) -> None:
        self.count += 1
        snapshot.folder.mkdir(parents=True)
        snapshot.describe(1)
        os.utime(snapshot.folder, (self.count, self.count))

    def __call__(self, folder: Path, *, again: bool = False, **variables: object) -> Snapshot:
        return deployed.deployed(
            Settings(local_dir=folder / "cloud"),
            again=again,
            snapshots=folder / "snapshots",
            packages_file=self.packages,
            **variables,
        )


@pytest.fixture
def applies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Applies:
    packages = tmp_path / "packages.json"
    packages.write_text('{"code": {"sha256_base64": "1"}, "layers": {}}')
    return Applies(monkeypatch, packages)


def test_what_was_applied_once_is_found_until_something_that_it_reads_changes(
    applies: Applies, tmp_path: Path
) -> None:
    first = applies(tmp_path, days=1)
    assert applies(tmp_path, days=1) == first
    assert applies.count == 1
    assert applies(tmp_path, days=2) != first
    applies.packages.write_text('{"code": {"sha256_base64": "2"}, "layers": {}}')
    assert applies(tmp_path, days=1) != first
    assert applies.count == 3


def test_an_apply_that_died_is_done_again(applies: Applies, tmp_path: Path) -> None:
    made = applies(tmp_path)
    (made.folder / "snapshot.json").unlink()
    for left in made.folder.iterdir():
        left.unlink()
    made.folder.rmdir()
    assert applies(tmp_path).is_whole
    assert applies.count == 2


def test_who_asks_for_an_apply_of_his_own_leaves_the_kept_one_alone(
    applies: Applies, tmp_path: Path
) -> None:
    kept = applies(tmp_path, again=True)
    own = applies(tmp_path, again=True)
    assert own != kept
    assert kept.is_whole
    assert applies(tmp_path) == kept
    assert applies.count == 2


def test_only_the_newest_snapshots_are_kept(applies: Applies, tmp_path: Path) -> None:
    made = [applies(tmp_path, number=number) for number in range(4)]
    assert [one.is_whole for one in made] == [False, False, True, True]
