"""A secret that somebody commits is found by `make lint`, and what is an example is not one."""

from __future__ import annotations

from pathlib import Path

import pytest

import check_secrets

LETTERS = "Qz7aB3dE5fG" * 10
#: Put together here, so that this file holds none.
SEEDED = {
    "AWS access key": "AKIA" + "ABCDEFGH23456777",
    "AWS secret key": "aws_secret_access_key = " + LETTERS[:40],
    "private key": "-----BEGIN EC " + "PRIVATE KEY-----",
    "GitHub token": "ghp_" + LETTERS[:36],
    "Slack webhook": "https://hooks.slack." + f"com/services/T{'0' * 8}/B{'0' * 8}/{LETTERS[:24]}",
    "Stripe key": "sk_live_" + LETTERS[:24],
    "PyPI token": "pypi-AgE" + LETTERS[:60],
    "signed token": f"eyJ{LETTERS[:20]}." + f"eyJ{LETTERS[:20]}.{LETTERS[:30]}",
}


@pytest.mark.parametrize("kind", SEEDED)
def test_a_seeded_secret_is_found_and_not_told(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seeded = tmp_path / "settings.tf"
    seeded.write_text(f"# settings\nkey = '{SEEDED[kind]}'\n", encoding="utf-8")
    assert check_secrets.main([str(seeded)]) == 1
    said = capsys.readouterr().out
    assert f"settings.tf:2: {kind}: " in said
    assert SEEDED[kind] not in said


def test_hashes_arns_and_documented_examples_are_no_secrets(tmp_path: Path) -> None:
    harmless = tmp_path / "README.md"
    harmless.write_text(
        "AKIA" + "IOSFODNN7EXAMPLE\nsha256:" + "ab" * 32 + "\narn:aws:iam::111111111111:role/x\n",
        encoding="utf-8",
    )
    assert check_secrets.main([str(harmless)]) == 0
