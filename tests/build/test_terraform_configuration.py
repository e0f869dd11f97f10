"""Where Terraform finds its provider."""

from __future__ import annotations

from pathlib import Path

import pytest

from localcloud.terraform import provider_mirror, terraform_environment


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    folder = tmp_path / "opt" / "plugins"
    (folder / "registry.terraform.io" / "hashicorp" / "aws").mkdir(parents=True)
    return folder


def test_finds_a_mirror_one_level_below_the_parent(mirror: Path) -> None:
    assert provider_mirror({}, mirror.parent) == mirror


def test_finds_none_where_there_is_none(tmp_path: Path) -> None:
    assert provider_mirror({}, tmp_path / "nowhere") is None


def test_refuses_a_named_mirror_without_the_provider(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="FINOPS_TF_MIRROR"):
        provider_mirror({"FINOPS_TF_MIRROR": str(tmp_path)})


def test_writes_a_configuration_that_names_the_mirror(mirror: Path, tmp_path: Path) -> None:
    environment = terraform_environment(tmp_path, {"FINOPS_TF_MIRROR": str(mirror)})
    configuration = Path(environment["TF_CLI_CONFIG_FILE"])
    assert configuration == tmp_path / "terraform.rc"
    assert f'path    = "{mirror}"' in configuration.read_text()


def test_keeps_the_configuration_that_a_user_chose(tmp_path: Path) -> None:
    chosen = tmp_path / "own.tfrc"
    chosen.touch()
    environment = terraform_environment(tmp_path, {"TF_CLI_CONFIG_FILE": str(chosen)})
    assert environment["TF_CLI_CONFIG_FILE"] == str(chosen)


def test_drops_a_configuration_that_does_not_exist(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone.tfrc")
    environment = terraform_environment(tmp_path, {"TF_CLI_CONFIG_FILE": gone})
    assert environment.get("TF_CLI_CONFIG_FILE") != gone
