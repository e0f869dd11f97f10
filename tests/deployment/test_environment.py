"""Which deployments are known, and where the local cloud answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from finops.deployment.environment import (
    Environment,
    environment,
    environments_file,
    local_endpoint,
    named_environment,
)
from finops.shared.errors import RejectedInput

FILE = """
[dev]

[prod]
region = "eu-central-1"
profile = "finance"
name_prefix = "costs"
"""


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    file = tmp_path / "environments.toml"
    file.write_text(FILE)
    return {"FINOPS_ENVIRONMENTS": str(file)}


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({}, "http://127.0.0.1:4566"),
        ({"FINOPS_PORT": "5000"}, "http://127.0.0.1:5000"),
        ({"LOCALSTACK_HOST": "cloud", "FINOPS_PORT": "5000"}, "http://cloud:4566"),
        ({"LOCALSTACK_HOST": "cloud:4600"}, "http://cloud:4600"),
        ({"LOCALSTACK_HOST": ":4600"}, "http://localhost:4600"),
        ({"AWS_ENDPOINT_URL": "https://a:1", "LOCALSTACK_HOST": "cloud"}, "https://a:1"),
        (
            {"AWS_ENDPOINT_URL": "", "LOCALSTACK_HOST": "", "FINOPS_PORT": ""},
            "http://127.0.0.1:4566",
        ),
    ],
)
def test_the_local_cloud_answers_where_the_variables_say(
    variables: dict[str, str], url: str
) -> None:
    assert local_endpoint(variables) == url
    assert environment("local", variables).endpoint_url == url


def test_a_named_environment_has_its_settings_from_the_file(variables: dict[str, str]) -> None:
    assert environment("prod", variables) == Environment(
        name="prod", prefix="costs", region="eu-central-1", profile="finance"
    )
    prefixed = variables | {"FINOPS_NAME_PREFIX": "other"}
    assert environment("dev", prefixed) == Environment(name="dev", prefix="other")
    assert environment("aws", prefixed) == Environment(name="aws", prefix="other")


def test_an_endpoint_of_aws_is_left_to_boto3(variables: dict[str, str]) -> None:
    given = variables | {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    assert environment("dev", given).endpoint_url is None
    assert named_environment("dev", given).endpoint_url is None


@pytest.mark.parametrize(("name", "said"), [("prd", "Did you mean prod"), ("locl", "mean local")])
def test_a_name_that_is_nearly_known_is_answered_with_the_known_one(
    variables: dict[str, str], name: str, said: str
) -> None:
    with pytest.raises(RejectedInput, match=said) as refused:
        environment(name, variables)
    assert refused.value.code == "unknown_environment"


def test_any_other_name_is_answered_with_the_known_ones_and_the_file(
    variables: dict[str, str],
) -> None:
    with pytest.raises(RejectedInput, match=r"aws, dev, prod, or add a table \[qa\]") as refused:
        environment("qa", variables)
    assert variables["FINOPS_ENVIRONMENTS"] in str(refused.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[prod", "Expected .]. at the end"),
        ("prod = 1", "not a table"),
        ("[prod]\nregoin = 'x'", "no setting regoin"),
        ("[prod]\nregion = 1", "not text"),
        ("[local]", "built in"),
    ],
)
def test_a_file_that_cannot_be_understood_is_refused(
    variables: dict[str, str], text: str, reason: str
) -> None:
    file = Path(variables["FINOPS_ENVIRONMENTS"])
    file.write_text(text)
    with pytest.raises(RejectedInput, match=reason) as refused:
        environment("prod", variables)
    assert str(file) in str(refused.value)


def test_a_named_file_that_is_gone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RejectedInput, match="No such file"):
        environment("prod", {"FINOPS_ENVIRONMENTS": str(tmp_path / "gone.toml")})


def test_the_nearest_file_counts_and_else_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {"XDG_CONFIG_HOME": str(tmp_path / "home")}
    own = tmp_path / "home" / "finops" / "environments.toml"
    own.parent.mkdir(parents=True)
    own.touch()
    folder = tmp_path / "clone" / "environments" / "dev"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    assert environments_file(variables) == own
    project = tmp_path / "clone" / "finops.toml"
    project.touch()
    assert environments_file(variables) == project
