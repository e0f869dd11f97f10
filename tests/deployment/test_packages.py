"""Publishing a release's packages, over moto: nothing but the release's own bytes is uploaded."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from finops.cli.main import main
from finops.deployment.packages import checked_release, publish
from finops.shared.errors import ConfigurationError, RejectedInput, TransientFailure

BUCKET = "packages"
FILES = {
    "finops-1.2.3.zip": b"code",
    "layer-core-arm64-1.2.3.zip": b"core for arm64",
    "layer-core-x86_64-1.2.3.zip": b"core for x86_64",
    "console-1.2.3.tar": b"console",
}


def reference(name: str) -> dict[str, str]:
    digest = hashlib.sha256(FILES[name]).digest()
    return {"path": name, "sha256_base64": base64.b64encode(digest).decode(), "upload": "direct"}


def write_sums(folder: Path) -> None:
    sums = (
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(folder.iterdir())
        if path.name != "SHA256SUMS"
    )
    (folder / "SHA256SUMS").write_text("".join(sums))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A release as `make release` leaves it, with small files."""
    folder = tmp_path / "release"
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    listing = {
        architecture: {
            "code": reference("finops-1.2.3.zip")
            | {"architecture": architecture, "release": "1.2.3"},
            "layers": {"core": reference(f"layer-core-{architecture}-1.2.3.zip")},
        }
        for architecture in ("arm64", "x86_64")
    }
    (folder / "packages.json").write_text(json.dumps(listing))
    write_sums(folder)
    return folder


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        yield client


def test_uploads_one_processors_packages_and_tells_terraform_where(s3: Any, folder: Path) -> None:
    value = publish(s3, checked_release(folder, "x86_64"), BUCKET, "finops/")
    assert value == {
        "code": {
            "sha256_base64": reference("finops-1.2.3.zip")["sha256_base64"],
            "s3_bucket": BUCKET,
            "s3_key": "finops/1.2.3/finops-1.2.3.zip",
            "architecture": "x86_64",
            "release": "1.2.3",
        },
        "layers": {
            "core": {
                "sha256_base64": reference("layer-core-x86_64-1.2.3.zip")["sha256_base64"],
                "s3_bucket": BUCKET,
                "s3_key": "finops/1.2.3/layer-core-x86_64-1.2.3.zip",
            }
        },
    }
    for package in (value["code"], value["layers"]["core"]):
        stored = s3.get_object(Bucket=BUCKET, Key=package["s3_key"])["Body"].read()
        assert stored == FILES[package["s3_key"].rpartition("/")[2]]
    assert s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 2


def test_publishing_again_changes_nothing(s3: Any, folder: Path) -> None:
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    release = checked_release(folder, "arm64")
    first = publish(s3, release, BUCKET, "finops/")
    assert publish(s3, release, BUCKET, "finops/") == first
    assert first["code"]["s3_object_version"]
    assert len(s3.list_object_versions(Bucket=BUCKET)["Versions"]) == 2


@pytest.mark.parametrize("name", [*FILES, "packages.json"])
def test_a_changed_byte_is_refused_before_anything_is_uploaded(
    s3: Any, folder: Path, name: str
) -> None:
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(RejectedInput, match=f"{name} is not the file of the release") as refused:
        checked_release(folder, "arm64")
    assert refused.value.code == "wrong_sum"


def test_a_list_with_another_hash_is_refused(folder: Path) -> None:
    """Terraform would see no change, or one each time, where the list's hash is not the file's."""
    listing = json.loads((folder / "packages.json").read_text())
    listing["arm64"]["layers"]["core"]["sha256_base64"] = reference("console-1.2.3.tar")[
        "sha256_base64"
    ]
    (folder / "packages.json").write_text(json.dumps(listing))
    write_sums(folder)
    with pytest.raises(RejectedInput, match=r"another hash of layer-core-arm64-1\.2\.3\.zip"):
        checked_release(folder, "arm64")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("SHA256SUMS", None, "SHA256SUMS cannot be read"),
        ("SHA256SUMS", "no sums\n", "is not a sum and a file's name"),
        ("SHA256SUMS", f"{'0' * 64}  ../finops-1.2.3.zip\n", "is not a sum and a file's name"),
        ("SHA256SUMS", "", "does not name packages.json"),
        ("layer-core-arm64-1.2.3.zip", None, r"layer-core-arm64-1\.2\.3\.zip cannot be read"),
    ],
)
def test_what_is_no_whole_release_is_refused(
    folder: Path, name: str, content: str | None, reason: str
) -> None:
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(content)
    with pytest.raises(RejectedInput, match=reason) as refused:
        checked_release(folder, "arm64")
    assert refused.value.code == "not_a_release"


@pytest.mark.parametrize("form", ["text", "binary", "upper"])
def test_sums_of_other_programs_are_read(folder: Path, form: str) -> None:
    """As `sha256sum --binary` and Windows' tools write them."""
    path = folder / "SHA256SUMS"
    lines = [line.split("  ") for line in path.read_text().splitlines()]
    between = " *" if form == "binary" else "  "
    path.write_text(
        "".join(
            f"{digest.upper() if form == 'upper' else digest}{between}{name}\r\n"
            for digest, name in lines
        )
    )
    assert checked_release(folder, "arm64").version == "1.2.3"


def changed(folder: Path, *keys: str, value: Any) -> None:
    """Put a value, or nothing, into packages.json, and sum it up again."""
    listing = json.loads((folder / "packages.json").read_text())
    place = listing
    for key in keys[:-1]:
        place = place[key]
    if value is ...:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    (folder / "packages.json").write_text(json.dumps(listing))
    write_sums(folder)


@pytest.mark.parametrize("listing", ["", "[]", "{}", '"arm64"', "broken", "\xff", "[" * 100_000])
def test_a_list_of_another_kind_is_refused(folder: Path, listing: str) -> None:
    (folder / "packages.json").write_bytes(listing.encode("latin-1"))
    write_sums(folder)
    with pytest.raises(RejectedInput) as refused:
        checked_release(folder, "arm64")
    assert refused.value.code in {"not_a_release", "unknown_architecture"}


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        (("arm64",), {}, "at arm64: Object missing required field `code`"),
        (("arm64",), [], "at arm64: "),
        (("arm64",), None, "at arm64: "),
        (("arm64", "layers"), [], "at arm64: .*layers"),
        (("arm64", "layers"), ..., "at arm64: .*layers"),
        (("arm64", "code"), ..., "at arm64: .*code"),
        (("arm64", "code"), "finops-1.2.3.zip", "at arm64.code: "),
        (("arm64", "code", "path"), ..., "at arm64.code: .*path"),
        (("arm64", "code", "release"), 1, "at arm64.code: .*release"),
        (("arm64", "code", "release"), "../x", "at arm64.code: .*release"),
        (("arm64", "code", "architecture"), "x86_64", "says x86_64 at arm64.code.architecture"),
        (("arm64", "layers", "core"), None, "at arm64.layers.core: "),
        (("arm64", "layers", "core", "path"), ..., "at arm64.layers.core: .*`path`"),
        (("arm64", "layers", "core", "path"), "gone.zip", "names 'gone.zip', and SHA256SUMS"),
        (("arm64", "layers", "core", "path"), "../out.zip", "names '../out.zip', and "),
        (("arm64", "layers", "core", "path"), "", "names '', and SHA256SUMS does not"),
    ],
)  # fmt: skip
def test_a_damaged_list_is_refused_with_the_key(
    folder: Path, keys: tuple[str, ...], value: Any, said: str
) -> None:
    (folder.parent / "out.zip").write_bytes(b"other")
    changed(folder, *keys, value=value)
    with pytest.raises(RejectedInput, match=f"packages.json .*{said}") as refused:
        checked_release(folder, "arm64")
    assert refused.value.code == "not_a_release"


def test_a_release_for_no_processor_says_so(folder: Path) -> None:
    (folder / "packages.json").write_text("{}")
    write_sums(folder)
    with pytest.raises(RejectedInput, match="no packages for arm64") as refused:
        checked_release(folder, "arm64")
    assert refused.value.remedy == "It has none at all"


def test_other_bytes_in_the_bucket_are_never_replaced(s3: Any, folder: Path) -> None:
    key = "finops/1.2.3/finops-1.2.3.zip"
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"other", ChecksumAlgorithm="SHA256")
    with pytest.raises(RejectedInput, match="holds other bytes"):
        publish(s3, checked_release(folder, "arm64"), BUCKET, "finops/")
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"other"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (403, f"Name a bucket of yours, and allow s3:ListBucket on {BUCKET}"),
        (404, "Make it, or name another"),
    ],
)
def test_a_bucket_that_is_not_ours_is_refused_with_what_to_do(
    s3: Any, folder: Path, status: int, said: str
) -> None:
    """botocore names the error of a HEAD, which has no body, by its status:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html
    """
    with Stubber(s3) as stubbed:
        stubbed.add_client_error("head_bucket", str(status), http_status_code=status)
        with pytest.raises(ConfigurationError) as refused:
            publish(s3, checked_release(folder, "arm64"), BUCKET, "")
    assert refused.value.remedy == said


def test_who_publishes_beside_somebody_else_is_told_to_wait(s3: Any, folder: Path) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html"""
    with Stubber(s3) as stubbed:
        stubbed.add_response("head_bucket", {})
        stubbed.add_client_error("put_object", "ConditionalRequestConflict", http_status_code=409)
        with pytest.raises(TransientFailure) as refused:
            publish(s3, checked_release(folder, "arm64"), BUCKET, "")
    assert refused.value.remedy.startswith("Wait until it ends")


def test_a_bucket_of_another_region_is_refused(s3: Any, folder: Path) -> None:
    boto3.client("s3", region_name="eu-central-1").create_bucket(
        Bucket="far", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    with pytest.raises(ConfigurationError, match="far is in eu-central-1"):
        publish(s3, checked_release(folder, "arm64"), "far", "finops/")
    with pytest.raises(ConfigurationError, match="there is no bucket nowhere"):
        publish(s3, checked_release(folder, "arm64"), "nowhere", "finops/")


def test_the_command_writes_the_variable_for_terraform(
    s3: Any,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FINOPS_ENV", "aws")
    arguments = ["packages", "publish", "--bucket", BUCKET, "--from", str(folder), "--json"]
    monkeypatch.setattr("sys.argv", ["finops", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in {0, None}
    answer = json.loads(capsys.readouterr().out)
    assert [one["package"] for one in answer["packages"]] == ["code", "core"]
    variables = json.loads((tmp_path / "packages.auto.tfvars.json").read_text())
    assert variables["packages"]["code"]["architecture"] == "arm64"
    assert variables["packages"]["layers"]["core"]["s3_bucket"] == BUCKET


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--bucket", "s3://packages"], "'s3://packages' is not the name of a bucket alone"),
        (["--bucket", "packages/finops"], "'packages/finops' is not the name of a bucket alone"),
        (["--output", "nowhere/packages.auto.tfvars.json"], "there is no folder nowhere"),
    ],
)
def test_the_command_refuses_what_cannot_work_before_it_uploads(
    s3: Any,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    wrong: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FINOPS_ENV", "aws")
    arguments = ["packages", "publish", "--bucket", BUCKET, "--from", str(folder), *wrong]
    monkeypatch.setattr("sys.argv", ["finops", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
    assert s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0


def test_a_file_that_cannot_be_written_is_named(
    s3: Any,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FINOPS_ENV", "aws")
    too_long = "x" * 300
    arguments = ["packages", "publish", "--bucket", BUCKET, "--from", str(folder)]
    monkeypatch.setattr("sys.argv", ["finops", *arguments, "--output", too_long])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert f"{too_long}: File name too long" in capsys.readouterr().err
