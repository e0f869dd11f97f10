"""The folder of the private MariaDB: whole, or not there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from localcloud.database import Database
from localcloud.processes import wait_until
from localcloud.settings import SCRIPTS, Settings


@pytest.mark.parametrize("made", ["data.new", "data"])
def test_nothing_is_left_of_a_database_whose_making_is_interrupted(
    local_settings: Settings, made: str
) -> None:
    local_settings.local_dir.chmod(0o700)  # where we are root, the database lies elsewhere
    folder = Database(local_settings).folder
    with subprocess.Popen(
        [sys.executable, "-m", "localcloud", "run"],
        env={**os.environ, **local_settings.to_environment(), "PYTHONPATH": str(SCRIPTS)},
    ) as cloud:
        assert wait_until((folder / made).exists, 60)
        cloud.send_signal(signal.SIGTERM)
        assert cloud.wait(120) == 0
    assert not folder.exists()


def test_half_a_copy_is_never_taken_for_the_data(
    local_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_source: Path, target: Path) -> None:
        target.mkdir()
        (target / "ibdata1").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr("localcloud.database.copy_tree", interrupted)
    database = Database(replace(local_settings, snapshot=tmp_path, persist=True))
    with pytest.raises(KeyboardInterrupt):
        database.start(lambda _: None)
    assert not database.data.exists()
    database.stop(None)
    assert list(database.folder.iterdir()) == []
