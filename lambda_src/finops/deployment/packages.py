"""The packages of a release, from a folder into a bucket that Lambda reads.

A release's folder has `packages.json`, the files that it names, and `SHA256SUMS`, as sha256sum
writes it (`make release`).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import msgspec
from botocore.exceptions import ClientError

from finops.shared.aws import aws_errors
from finops.shared.errors import ConfigurationError, RejectedInput, TransientFailure

_LISTING: Final = "packages.json"
_SUMS: Final = "SHA256SUMS"
_STEP: Final = "publish_packages"
_Form = TypeVar("_Form")


class _ListedPackage(msgspec.Struct):
    """A package in `packages.json`."""

    path: str
    sha256_base64: str


class _ListedCode(_ListedPackage):
    """The code; its release is a part of the keys in the bucket."""

    architecture: str
    release: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+_-]*$")]


class _Listed(msgspec.Struct):
    """All packages for one processor."""

    code: Any
    layers: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One zip: `layer` is None for the code."""

    path: Path
    sha256_base64: str
    layer: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release's packages for one processor, each with the bytes that its sum says."""

    version: str
    architecture: str
    packages: tuple[Package, ...]


def checked_release(folder: Path, architecture: str) -> Release:
    """The packages in a folder, when every file of it is as the release made it.

    Args:
        folder: The files of a release, as downloaded.
        architecture: `arm64` or `x86_64`.

    Raises:
        RejectedInput: with code `not_a_release`, `wrong_sum`, or `unknown_architecture`.
    """
    sums = _checked_sums(folder)
    listing = _listing(folder)
    if architecture not in listing:
        raise RejectedInput(
            f"{folder} has no packages for {architecture}",
            code="unknown_architecture",
            value=architecture,
            step=_STEP,
            remedy=f"It has {' and '.join(sorted(listing)) or 'none at all'}",
        )
    wanted = _converted(folder, architecture, listing[architecture], _Listed)
    code = _converted(folder, f"{architecture}.code", wanted.code, _ListedCode)
    layers = {
        name: _converted(folder, f"{architecture}.layers.{name}", layer, _ListedPackage)
        for name, layer in sorted(wanted.layers.items())
    }
    if code.architecture != architecture:
        raise _no_release(
            folder, f"{_LISTING} says {code.architecture} at {architecture}.code.architecture"
        )
    packages = (
        _package(folder, None, code, sums),
        *(_package(folder, name, layer, sums) for name, layer in layers.items()),
    )
    return Release(version=code.release, architecture=architecture, packages=packages)


def publish(s3: Any, release: Release, bucket: str, prefix: str) -> dict[str, Any]:
    """Upload the packages, and return the value of the modules' variable `packages`.

    What exists stays, so that running it again changes nothing.

    Args:
        s3: A client of S3 in the region that the functions are deployed to.
        release: What to upload.
        bucket: A bucket in that region, as Lambda demands:
            https://docs.aws.amazon.com/lambda/latest/api/API_FunctionCode.html
        prefix: Begins the keys; the version and the file's name follow.

    Raises:
        ConfigurationError: The bucket is not there, may not be written to, or is in another region.
        TransientFailure: somebody else publishes the same release.
        RejectedInput: with code `other_bytes`: the bucket has other packages of this release.
    """
    _require_region(s3, bucket)
    stored = {
        package.layer: {
            "sha256_base64": package.sha256_base64,
            "s3_bucket": bucket,
            **_uploaded(s3, package, bucket, f"{prefix}{release.version}/{package.path.name}"),
        }
        for package in release.packages
    }
    code = stored.pop(None) | {"architecture": release.architecture, "release": release.version}
    return {"code": code, "layers": stored}


def _checked_sums(folder: Path) -> Mapping[str, str]:
    """The sum of each file of the release, all of which are there with the bytes that it says."""
    try:
        sums = dict(_sums((folder / _SUMS).read_text(encoding="ascii")))
    except (OSError, ValueError) as error:
        raise _no_release(folder, f"{_SUMS} cannot be read ({error})") from error
    if _LISTING not in sums:
        raise _no_release(folder, f"{_SUMS} does not name {_LISTING}")
    for name, expected in sums.items():
        path = folder / name
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise _no_release(folder, f"{name} cannot be read ({error.strerror})") from error
        if found != expected:
            raise RejectedInput(
                f"{path} is not the file of the release: its SHA-256 is {found}, and {_SUMS} says"
                f" {expected}",
                code="wrong_sum",
                value=name,
                step=_STEP,
                remedy="Download the release again",
            )
    return sums


def _sums(text: str) -> Iterator[tuple[str, str]]:
    """Each file's sum, as sha256sum and its kin write them: in text or binary mode, in any case."""
    for line in text.splitlines():
        found = re.fullmatch(r"([0-9a-fA-F]{64}) [ *]([^/\x00-\x1f]+)", line)
        if not found:
            raise ValueError(f"the line {line!r} is not a sum and a file's name")
        yield found[2], found[1].lower()


def _listing(folder: Path) -> dict[str, Any]:
    try:
        found: Any = msgspec.json.decode((folder / _LISTING).read_bytes())
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _no_release(folder, f"{_LISTING} is not JSON ({error})") from error
    return _converted(folder, "", found, dict[str, Any])


def _converted(folder: Path, key: str, value: Any, form: type[_Form]) -> _Form:
    """A part of `packages.json`, whose key an error names."""
    try:
        return msgspec.convert(value, form)
    except msgspec.ValidationError as error:
        where = f" at {key}" if key else ""
        raise _no_release(folder, f"{_LISTING} is not one of a release{where}: {error}") from error


def _package(
    folder: Path, layer: str | None, listed: _ListedPackage, sums: Mapping[str, str]
) -> Package:
    """A package whose hash in the list, by which Terraform sees changes, is that of its bytes."""
    if listed.path not in sums:
        raise _no_release(folder, f"{_LISTING} names {listed.path!r}, and {_SUMS} does not")
    digest = base64.b64encode(bytes.fromhex(sums[listed.path])).decode()
    if digest != listed.sha256_base64:
        raise _no_release(folder, f"{_LISTING} has another hash of {listed.path} than {_SUMS}")
    return Package(path=folder / listed.path, sha256_base64=digest, layer=layer)


def _sha256_base64(content: Any) -> str:
    """The hash of what a file or a response still has, as Lambda reports it."""
    digest = hashlib.sha256()
    for chunk in iter(lambda: content.read(1 << 20), b""):
        digest.update(chunk)
    return base64.b64encode(digest.digest()).decode()


def _no_release(folder: Path, reason: str) -> RejectedInput:
    return RejectedInput(
        f"{folder} does not hold a release: {reason}",
        code="not_a_release",
        step=_STEP,
        remedy=f"Download all files of a release into one folder, {_SUMS} and {_LISTING} too",
    )


def _require_region(s3: Any, bucket: str) -> None:
    with aws_errors(_STEP, remedy=f"Name a bucket of yours, and allow s3:ListBucket on {bucket}"):
        try:
            region = s3.head_bucket(Bucket=bucket).get("BucketRegion")
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != HTTPStatus.NOT_FOUND:
                raise
            raise ConfigurationError(
                f"there is no bucket {bucket}",
                code="no_bucket",
                step=_STEP,
                remedy="Make it, or name another",
            ) from error
    if region and region != s3.meta.region_name:
        raise ConfigurationError(
            f"{bucket} is in {region}, and the functions are to be in {s3.meta.region_name}: Lambda"
            " takes packages from a bucket in its own region",
            code="other_region",
            step=_STEP,
            remedy="Name a bucket there, or set AWS_REGION",
        )


def _uploaded(s3: Any, package: Package, bucket: str, key: str) -> dict[str, str]:
    """Where the package is: S3 checks the bytes, and never replaces others."""
    with (
        aws_errors(_STEP, remedy=f"Allow s3:PutObject and s3:GetObject on {bucket}/{key}"),
        package.path.open("rb") as body,
    ):
        try:
            found = s3.put_object(
                Bucket=bucket,
                Key=key,
                Body=body,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=package.sha256_base64,
                IfNoneMatch="*",
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "ConditionalRequestConflict":
                raise TransientFailure(
                    f"another request is writing s3://{bucket}/{key}",
                    code=code,
                    step=_STEP,
                    remedy="Wait until it ends, then run this again: what exists stays",
                ) from error
            if code != "PreconditionFailed":
                raise
            found = s3.get_object(Bucket=bucket, Key=key)
            if _sha256_base64(found["Body"]) != package.sha256_base64:
                raise RejectedInput(
                    f"s3://{bucket}/{key} holds other bytes than {package.path.name}",
                    code="other_bytes",
                    value=key,
                    step=_STEP,
                    remedy="A release never changes: find out who put it there, or choose another"
                    " --prefix",
                ) from error
    version = found.get("VersionId")
    return {"s3_key": key} | ({"s3_object_version": version} if version else {})
