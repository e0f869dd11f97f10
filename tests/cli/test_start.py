"""How the command starts and how it ends: what it imports, and what it says without a cloud."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import click
import pytest
from botocore.exceptions import NoCredentialsError

from finops.cli.main import COMMANDS, finops, main

#: Libraries that cost more time than a page of help is worth.
SLOW = ("aws_lambda_powertools", "boto3", "botocore", "duckdb", "jinja2", "msgspec", "rich", "yaml")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """The command on a machine that knows nothing of AWS, in a folder of its own."""
    for name in (
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"),
        *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "LOCALSTACK_HOST"),
        *("FINOPS_ENV", "FINOPS_ENVIRONMENTS", "FINOPS_PORT", "XDG_CONFIG_HOME"),
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["finops", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return call


def test_help_imports_none_of_the_slow_libraries() -> None:
    code = f"""
import sys
from importlib import import_module
from finops.cli.main import COMMANDS, main
sys.argv = ["finops", "--help"]
try:
    main()
except SystemExit as ended:
    assert not ended.code
assert not [one for one in COMMANDS if f"finops.cli.{{one}}" in sys.modules]
for command in COMMANDS:  # and the help of each command does neither
    import_module(f"finops.cli.{{command}}")
print("slow:", [one for one in {SLOW} if one in sys.modules])
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Compare a month's costs" in ended.stdout
    assert ended.stdout.endswith("slow: []\n")


def test_looking_at_a_deployment_imports_nothing_that_reads_documents_or_files() -> None:
    code = """
import sys
from finops.deployment import audit, billing, budgets, clients, doctor, invoices, reconciliation
reads = [
    *("finops.billing.reader", "finops.invoices.service"),
    *("finops.reconciliation.cost_explorer", "finops.reconciliation.html_report"),
]
print("reads:", [one for one in reads if one in sys.modules])
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "reads: []\n"


def test_each_command_is_described_as_it_describes_itself() -> None:
    context = click.Context(finops)
    for name, described in COMMANDS.items():
        command = finops.get_command(context, name)
        assert command is not None
        assert command.get_short_help_str(limit=100) == described


def test_an_unknown_command_is_wrong_usage(run: Run) -> None:
    code, _, err = run("budget", "list")
    assert code == 2
    assert "No such command 'budget'" in err


@pytest.mark.parametrize("option", ["--env", "--json"])
def test_an_option_of_commands_before_the_command_says_where_it_belongs(
    run: Run, option: str
) -> None:
    code, _, err = run(option, "staging", "budgets", "list")
    assert code == 2
    assert f"{option} belongs after the command, as in `finops budgets list {option}" in err


@pytest.mark.parametrize(
    ("command", "status", "problem"),
    [
        (["reconcile", "--month", "2026-13"], 1, "'2026-13' is not a month. Write YYYY-MM"),
        (["fx", "rate", "EUR", "2026-13-01"], 1, "'2026-13-01' is not a date"),
        (["audit", "show", "--since", "2026-99-01"], 1, "'2026-99-01' is not a date or time"),
        (["billing", "files", "--status", "DONE"], 2, "'DONE' is not one of"),
    ],
)
def test_bad_input_is_refused_before_anything_is_asked_of_a_cloud(
    run: Run, command: list[str], status: int, problem: str
) -> None:
    code, _, err = run(*command)
    assert code == status
    assert problem in err


def test_a_message_names_no_step_of_the_code_but_json_does(run: Run) -> None:
    Path("empty.yaml").write_text("currency: XXQ\n")
    code, out, err = run("reconcile", "check", "empty.yaml", "--json")
    assert code == 1
    assert err == "error: empty.yaml: currency 'XXQ' is not an ISO 4217 code\n"
    assert json.loads(out)["step"] == "validate"


def test_without_a_local_cloud_the_remedy_is_one_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        for command in (["budgets", "list"], ["status"], ["audit", "verify"], ["billing", "files"]):
            code, out, err = run(*command, "--json")
            assert code == 3
            assert json.loads(out)["code"] == "no_local_cloud"
            assert err == (
                f"error: no local cloud answers at {url}. `--env aws`, or FINOPS_ENV=aws, is the"
                " account of your AWS credentials; `make up` in a clone of the repository starts"
                " the local cloud\n"
            )


def test_without_credentials_or_region_the_remedy_is_told(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = run("budgets", "list", "--env", "aws")
    assert (code, err.count("\n")) == (3, 1)
    assert "no AWS credentials were found. Set AWS_PROFILE" in err
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    code, _, err = run("budgets", "list", "--env", "aws")
    assert (code, err) == (3, "error: no AWS region is set. Set AWS_REGION, such as eu-central-1\n")
    monkeypatch.setenv("AWS_PROFILE", "gone")
    code, _, err = run("budgets", "list", "--env", "aws")
    assert (code, err.count("\n")) == (3, 1)
    assert "profile (gone) could not be found" in err


def test_aws_region_is_honoured(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    seen = []

    class Table:
        def __init__(self, client: object, name: str) -> None:
            seen.append(client.meta.region_name)  # type: ignore[attr-defined]
            raise SystemExit

    monkeypatch.setattr("finops.deployment.budgets.DynamoBudgetTable", Table)
    run("budgets", "list", "--env", "aws")
    Path("finops.toml").write_text('[prod]\nregion = "eu-west-1"\n')
    run("budgets", "list", "--env", "prod")
    assert seen == ["eu-central-1", "eu-west-1"]


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_wrong_usage_wraps_between_words_at_a_terminal(tmp_path: Path, columns: int) -> None:
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    command = [sys.executable, "-c", "from finops.cli.main import main; main()"]
    long = "a-name-without-any-space-in-it-that-no-terminal-of-this-width-can-hold-and-no-one-wants"
    ended = subprocess.run(
        [*command, "budgets", "list", "--status", long],
        env=os.environ | {"HOME": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        check=False,
    )
    os.close(theirs)
    shown = b""
    with suppress(OSError), os.fdopen(ours, "rb", buffering=0) as terminal:
        while some := terminal.read(4096):
            shown += some
    lines = shown.decode().splitlines()
    words = {word for line in lines for word in line.split()}
    assert ended.returncode == 2
    assert {f"'{long}'", "REJECTED,", "REMOVED"} <= words
    assert all(len(line) <= columns for line in lines if long not in line)
    assert len(lines) >= 5


def test_an_unknown_environment_is_wrong_usage(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("finops.toml").write_text("[staging]\n")
    code, _, err = run("budgets", "list", "--env", "stagng")
    assert code == 2
    assert "there is no environment 'stagng'. Did you mean staging?" in err
    monkeypatch.setenv("FINOPS_ENV", "prod")
    code, _, err = run("budgets", "list")
    assert code == 2
    assert "It is one of local, aws, staging, or add a table [prod] to" in err


def test_an_error_of_aws_that_nobody_expected_is_no_stack_trace(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> NoReturn:
        raise NoCredentialsError

    monkeypatch.setattr("finops.cli.budgets._deployed", fail)
    code, out, err = run("budgets", "list", "--json")
    assert (code, err) == (3, "error: AWS: Unable to locate credentials\n")
    assert json.loads(out)["code"] == "NoCredentialsError"


def test_an_error_of_ours_keeps_its_stack_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> NoReturn:
        raise ZeroDivisionError

    monkeypatch.setattr("finops.cli.budgets._deployed", fail)
    monkeypatch.setattr("sys.argv", ["finops", "budgets", "list"])
    with pytest.raises(ZeroDivisionError):
        main()


def test_an_interrupt_ends_with_130(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("finops.cli.budgets._deployed", interrupt)
    code, out, err = run("budgets", "list")
    assert (code, out) == (130, "")
    assert err.strip() == "interrupted"
    code, out, _ = run("budgets", "list", "--json")
    assert (code, json.loads(out)["error"]) == (130, "interrupted")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a disk that is full")
def test_a_full_disk_ends_without_a_stack_trace() -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [
                sys.executable,
                "-c",
                "from finops.cli.main import main; main()",
                "completion",
                "bash",
            ],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (ended.returncode, "Traceback" in ended.stderr) == (3, False)
    assert ended.stderr == "error: stdout: No space left on device\n"


def test_ctrl_c_while_aws_does_not_answer_ends_without_a_stack_trace(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        silent.settimeout(300)
        environment = os.environ | {"AWS_ENDPOINT_URL": url, "HOME": str(tmp_path)}
        environment |= {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        environment.pop("FINOPS_ENV", None)
        # A shell's background jobs, of which these tests may be one, ignore the signal.
        code = """
import signal
from finops.cli.main import main
signal.signal(signal.SIGINT, signal.default_int_handler)
main()
"""
        command = [sys.executable, "-c", code, "budgets", "list"]
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as running:
            connection = silent.accept()[0]
            # The first connection asks whether anybody is there; the next one carries a request.
            while not connection.recv(1):
                connection.close()
                connection = silent.accept()[0]
            running.send_signal(signal.SIGINT)
            out, err = running.communicate()
            connection.close()
    assert (running.returncode, out, err.strip()) == (130, "", "interrupted")


@pytest.mark.parametrize(
    ("shell", "path"),
    [
        ("bash", ".local/share/bash-completion/completions/finops"),
        ("zsh", ".zfunc/_finops"),
        ("fish", ".config/fish/completions/finops.fish"),
    ],
)
def test_completion_is_printed_and_installed(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: str, path: str
) -> None:
    for name in ("XDG_DATA_HOME", "ZDOTDIR"):
        monkeypatch.delenv(name, raising=False)
    code, script, _ = run("completion", shell)
    assert code == 0
    assert f"_FINOPS_COMPLETE={shell}_complete" in script
    assert not (tmp_path / path).exists()
    for _ in range(2):
        code, out, err = run("completion", shell, "--install")
        assert (code, out) == (0, "")
        assert str(tmp_path / path) in err
        assert (tmp_path / path).read_text() == script


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("finops inv", "invoices"),
        ("finops invoices ne", "next"),
        ("finops budgets list --f", "--format"),
    ],
)
def test_what_the_script_asks_is_answered(
    run: Run, monkeypatch: pytest.MonkeyPatch, words: str, found: str
) -> None:
    monkeypatch.setenv("_FINOPS_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    code, out, _ = run()
    assert (code, out) == (0, f"plain,{found}\n")
