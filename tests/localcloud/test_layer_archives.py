"""Archives of layers outlive a restart, and are saved once each."""

from __future__ import annotations

import io
import os
import urllib.request
import zipfile
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlparse

from localcloud.endpoints import account_session
from localcloud.settings import Settings
from localcloud.supervisor import LocalCloud

SIZE = 1 << 20


def archive_of(content: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr(zipfile.ZipInfo("python/data"), content)
    return archive.getvalue()


def saved_in(settings: Settings) -> tuple[int, list[Path]]:
    """Bytes of the saved state of Lambda, and the files of its archives."""
    state = settings.local_dir / "emulator" / "state"
    return (state / "lambda.json").stat().st_size, [*state.glob("lambda-blobs/*")]


def test_the_archive_of_two_layers_is_saved_once_beside_the_state(
    local_settings: Settings,
) -> None:
    settings = replace(local_settings, persist=True, database=False)
    archive, accounts = archive_of(os.urandom(SIZE)), ("111111111111", "222222222222")
    with LocalCloud(settings) as cloud:
        for account in accounts:
            account_session(account, cloud.endpoint_url).client("lambda").publish_layer_version(
                LayerName="data", Content={"ZipFile": archive}
            )
    for _ in range(2):  # what a restart has read is saved again
        size, archives = saved_in(settings)
        assert size < SIZE
        assert [one.read_bytes() for one in archives] == [archive]
        with LocalCloud(settings) as cloud:
            for account in accounts:
                found = (
                    account_session(account, cloud.endpoint_url)
                    .client("lambda")
                    .get_layer_version(LayerName="data", VersionNumber=1)
                )
                # The address names the port that the cloud had before.
                path = urlparse(found["Content"]["Location"]).path
                with urllib.request.urlopen(cloud.endpoint_url + path) as answer:
                    assert answer.read() == archive


def test_the_archive_of_a_layer_that_is_gone_goes_with_it(local_settings: Settings) -> None:
    settings = replace(local_settings, persist=True, database=False)
    with LocalCloud(settings) as cloud:
        layers = account_session(url=cloud.endpoint_url).client("lambda")
        for name in ("kept", "gone"):
            layers.publish_layer_version(
                LayerName=name, Content={"ZipFile": archive_of(name.encode())}
            )
    assert len(saved_in(settings)[1]) == 2
    with LocalCloud(settings) as cloud:
        layers = account_session(url=cloud.endpoint_url).client("lambda")
        layers.delete_layer_version(LayerName="gone", VersionNumber=1)
    assert [one.read_bytes() for one in saved_in(settings)[1]] == [archive_of(b"kept")]
