"""The command line on moto's tables: what it writes and prints, and its exit codes."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from finops.budgets.adapters.dynamodb import DynamoStatusTable
from finops.budgets.attributes import ATTRIBUTES
from finops.budgets.domain import Budget, BudgetKey, Status, edit_version
from finops.budgets.ports import BudgetStatus
from finops.budgets.rows import parse_budget
from finops.cli import budgets
from finops.cli.main import main
from finops.cli.output import output
from finops.deployment.budgets import BudgetDeployment
from finops.shared.observability import logger
from tests.budgets.fakes import FakeStatuses
from tests.budgets.items import EACH_TYPE

ACCOUNT = "222222222222"
ROOT = Path(__file__).parents[2]
Finops = Callable[..., tuple[int, str, str]]


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "LOCALSTACK_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("FINOPS_ENV", "aws")
    with mock_aws():
        client = boto3.client("dynamodb")
        for table in ("finops-budgets", "finops-budget-status"):
            client.create_table(
                TableName=table,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[
                    {"AttributeName": name, "AttributeType": "S"}
                    for name in ("account_id", "budget_name")
                ],
                KeySchema=[
                    {"AttributeName": "account_id", "KeyType": "HASH"},
                    {"AttributeName": "budget_name", "KeyType": "RANGE"},
                ],
            )
        yield boto3.resource("dynamodb").Table("finops-budgets")


def test_the_actor_is_whom_aws_signed_in_and_not_whom_the_environment_names(
    finops: Finops, tables: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "cfo")
    assert finops("budgets", "set", ACCOUNT, "100")[0] == 0
    row = tables.get_item(Key={"account_id": ACCOUNT, "budget_name": "monthly-total"})["Item"]
    caller = boto3.client("sts").get_caller_identity()
    assert row["updated_by"] == f"{caller['Arn']} <{caller['UserId']}>"


def test_nothing_asks_the_machine_who_somebody_is() -> None:
    """Python's getuser reads LOGNAME, USER, LNAME and USERNAME, which anybody may set."""
    asks = ("getpass", "getuser", "getlogin", "LOGNAME", "USERNAME")
    sources = [*(ROOT / "lambda_src").rglob("*.py"), *(ROOT / "console").rglob("*.py")]
    assert sources
    assert [
        (path.name, one) for path in sources for one in asks if one in path.read_text("utf-8")
    ] == []


@pytest.fixture
def finops(
    tables: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Finops:
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["finops", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


def answer(tables: Any, status: Status, **facts: Any) -> None:
    """Set the status of the account's newest edit, as the flow would."""
    row = tables.get_item(Key={"account_id": ACCOUNT, "budget_name": "monthly-total"})["Item"]
    DynamoStatusTable(boto3.client("dynamodb"), "finops-budget-status").begin(
        BudgetStatus(
            key=BudgetKey(account_id=ACCOUNT, budget_name="monthly-total"),
            version=edit_version("1"),
            status=status,
            request_id=row["request_id"],
            **facts,
        )
    )


def test_set_writes_a_row_as_a_person_would(finops: Finops, tables: Any) -> None:
    code, out, _ = finops(
        "budgets", "set", ACCOUNT, "1500.50", "--threshold", "ACTUAL:80", "--email",
        "a@example.com", "--time-unit", "QUARTERLY", "--cost-filter", "Service=Amazon S3", "--json",
    )  # fmt: skip
    assert code == 0
    document = json.loads(out)
    assert {"account_id", "name", "amount", "status", "error", "applied_at"} <= set(document)
    assert (document["amount"], document["status"]) == ("1500.50", "PENDING")
    row = tables.get_item(Key={"account_id": ACCOUNT, "budget_name": "monthly-total"})["Item"]
    assert row["amount"] == Decimal("1500.50")
    assert row["thresholds"] == ["ACTUAL:80"]
    assert row["cost_filters"] == {"Service": ["Amazon S3"]}
    assert row["updated_by"]


def test_set_takes_the_default_of_many_accounts(finops: Finops, tables: Any) -> None:
    for account in ("*", "ou-ab12-cd34ef56"):
        code, out, _ = finops("budgets", "set", account, "5", "--json")
        assert (code, json.loads(out)["account_id"]) == (0, account)
        assert tables.get_item(Key={"account_id": account, "budget_name": "monthly-total"})["Item"]
    assert finops("budgets", "set", "ou-", "5")[0] == 1


def test_set_keeps_what_it_does_not_name(finops: Finops, tables: Any) -> None:
    finops("budgets", "set", ACCOUNT, "100", "--email", "a@example.com")
    finops("budgets", "set", ACCOUNT, "200")
    row = tables.get_item(Key={"account_id": ACCOUNT, "budget_name": "monthly-total"})["Item"]
    assert (row["amount"], row["emails"]) == (200, ["a@example.com"])


def test_set_and_import_take_away_what_is_none(finops: Finops, tables: Any, tmp_path: Path) -> None:
    planned = ("--planned-amount", "2027-01=1200/year", "--phasing", "1,1,1,1,1,1,1,1,2,2,1,1")
    rest = ("--cost-filter", "Service=Amazon S3", "--cost-type", "AMORTIZED")

    def budget() -> Budget:
        key = {"account_id": ACCOUNT, "budget_name": "monthly-total"}
        return parse_budget(tables.get_item(Key=key)["Item"])

    for with_file in (False, True):
        assert finops("budgets", "set", ACCOUNT, "100", *planned, *rest)[0] == 0
        assert budget().planned_amounts
        if with_file:
            file = tmp_path / "budgets.csv"
            columns = "cost_filters,cost_types,planned_amounts,phasing"
            file.write_text(f"account_id,amount,{columns}\n{ACCOUNT},100,none,none,none,none\n")
            assert finops("budgets", "import", str(file))[0] == 0
        else:
            names = ("--planned-amount", "--phasing", "--cost-filter", "--cost-type")
            options = [one for name in names for one in (name, "none")]
            code, out, _ = finops("budgets", "set", ACCOUNT, "100", *options, "--json")
            assert code == 0
            assert json.loads(out)["changes"]["planned_amounts"] == {
                "before": '{"2027-01": ["1200/year"]}',
                "after": "none",
            }
        found = budget()
        assert (found.planned_amounts, found.phasing) == ((), ())
        assert (found.cost_filters, found.cost_types) == ({}, ())


@pytest.mark.parametrize("amount", ["-5", "0", "abc", "1,000"])
def test_set_refuses_a_bad_amount_without_writing(finops: Finops, tables: Any, amount: str) -> None:
    code, out, err = finops("budgets", "set", ACCOUNT, amount, "--json")
    assert code == 1
    assert json.loads(out)["status"] == "REJECTED"
    assert "1250.50" in err
    assert tables.scan()["Items"] == []


@pytest.mark.parametrize(
    ("status", "code"), [(Status.APPLIED, 0), (Status.REJECTED, 1), (Status.FAILED, 3)]
)
def test_set_waits_for_its_own_edit_and_exits_by_its_status(
    finops: Finops, tables: Any, monkeypatch: pytest.MonkeyPatch, status: Status, code: int
) -> None:
    polled: list[float] = []

    def reply(seconds: float) -> None:
        polled.append(seconds)
        answer(tables, status, error="because")

    monkeypatch.setattr("finops.cli.budgets.time.sleep", reply)
    ended, out, _ = finops("budgets", "set", ACCOUNT, "5", "--wait", "--json")
    assert ended == code
    assert json.loads(out)["status"] == status
    assert len(polled) == 1


def test_a_status_that_does_not_come_in_time_is_a_failure(finops: Finops) -> None:
    code, out, _ = finops("budgets", "set", ACCOUNT, "5", "--wait", "--timeout", "0.2", "--json")
    assert code == 3
    assert json.loads(out)["status"] == "PENDING"


def test_list_and_show_join_rows_with_their_status(finops: Finops, tables: Any) -> None:
    finops("budgets", "set", ACCOUNT, "5")
    answer(tables, Status.REJECTED, error="no such thing", amount="5.00")
    code, out, _ = finops("budgets", "list", "--json")
    (found,) = json.loads(out)["budgets"]
    assert code == 0
    assert (found["status"], found["error"]) == ("REJECTED", "no such thing")
    assert Decimal(found["amount"]) == 5
    assert json.loads(finops("budgets", "list", "--status", "applied", "--json")[1]) == {
        "budgets": []
    }
    assert "no such thing" in finops("budgets", "show", ACCOUNT)[1]
    code, _, err = finops("budgets", "show", "999999999999")
    assert code == 1
    assert "has no budget" in err


def test_a_value_of_any_type_in_any_attribute_is_listed(finops: Finops, tables: Any) -> None:
    client = boto3.client("dynamodb")
    for one in ATTRIBUTES:
        for number, value in enumerate(EACH_TYPE):
            item = {one.name: value, "updated_by": value, "account_id": {"S": ACCOUNT}}
            name = {"budget_name": {"S": f"{one.name}-{number}"}}
            client.put_item(TableName=tables.name, Item=item | name)
    code, out, _ = finops("budgets", "list", "--json")
    assert (code, len(json.loads(out)["budgets"])) == (0, len(ATTRIBUTES) * len(EACH_TYPE))
    code, out, _ = finops("budgets", "show", f" {ACCOUNT} ")
    assert code == 0
    assert "[/red]\\x1b[2J" in out


def test_delete_removes_the_row_and_says_when_there_is_none(finops: Finops, tables: Any) -> None:
    finops("budgets", "set", ACCOUNT, "5")
    assert finops("budgets", "delete", ACCOUNT, "--yes", "--json")[0] == 0
    assert tables.scan()["Items"] == []
    code, _, err = finops("budgets", "delete", ACCOUNT, "--yes")
    assert code == 1
    assert "has no budget monthly-total" in err


def test_delete_takes_a_key_with_its_space_before_one_without(finops: Finops, tables: Any) -> None:
    for name in ("team", "team "):
        tables.put_item(Item={"account_id": ACCOUNT, "budget_name": name, "amount": 5})
    for left in (["team"], []):
        assert finops("budgets", "delete", ACCOUNT, "--name", "team ", "--yes")[0] == 0
        assert [one["budget_name"] for one in tables.scan()["Items"]] == left


def test_delete_without_anybody_to_ask_wants_to_be_told(finops: Finops, tables: Any) -> None:
    finops("budgets", "set", ACCOUNT, "5")
    code, _, err = finops("budgets", "delete", ACCOUNT)
    assert code == 2
    assert "add --yes" in err
    assert tables.scan()["Count"] == 1


@pytest.mark.parametrize(("typed", "code", "left"), [("y", 0, 0), ("n", 130, 1), ("", 130, 1)])
def test_delete_asks_a_person(
    finops: Finops, tables: Any, monkeypatch: pytest.MonkeyPatch, typed: str, code: int, left: int
) -> None:
    finops("budgets", "set", ACCOUNT, "5")
    person = io.StringIO(f"{typed}\n")
    monkeypatch.setattr(person, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdin", person)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _prompt: typed)
    assert finops("budgets", "delete", ACCOUNT)[0] == code
    assert tables.scan()["Count"] == left


def test_import_reports_each_bad_line_and_applies_a_thousand_others(
    finops: Finops, tables: Any, tmp_path: Path
) -> None:
    lines = ["\ufeffaccount_id,amount,thresholds,emails,cost_filters"]
    lines += [f"{number:012d},{number + 1}.25,ACTUAL:80;ACTUAL:100,," for number in range(1000)]
    lines[501] = "000000000500,five hundred,,,"
    lines[601] = "600,5,,,"
    lines[701] = "000000000700,5,,,{broken"
    lines[801] = "000000000800,5,,,,,"
    lines[901] = "000000000001,5,,,"
    file = tmp_path / "budgets.csv"
    file.write_text("\r\n".join(lines), encoding="utf-8")
    code, out, _ = finops("budgets", "import", str(file), "--json")
    document = json.loads(out)
    assert code == 1
    assert [one["line"] for one in document["rejected"]] == [502, 602, 702, 802, 902]
    assert [one["field"] for one in document["rejected"]] == [
        "amount",
        "account_id",
        "cost_filters",
        "",
        "account_id",
    ]
    assert "line 3 already" in document["rejected"][4]["reason"]
    assert len(document["budgets"]) == 995
    row = tables.get_item(Key={"account_id": "000000000007", "budget_name": "monthly-total"})
    assert row["Item"]["amount"] == Decimal("8.25")
    assert row["Item"]["thresholds"] == "ACTUAL:80,ACTUAL:100"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no column account_id and amount"),
        ("account_id\n222222222222\n", "no column amount"),
        ("account_id,amount\n\xff\n", "not UTF-8"),
        ("account_id;amount\n222222222222;5\n", "separated by semicolons"),
        ("account_id\tamount\n222222222222\t5\n", "separated by tabs"),
        ("account_id,amount, amount\n222222222222,5,6\n", "the column amount more than once"),
        ('account_id,"amount\n222222222222,5\n', "the first line is not valid CSV"),
    ],
)
def test_import_refuses_a_file_it_cannot_understand(
    finops: Finops, tables: Any, tmp_path: Path, text: str, reason: str
) -> None:
    file = tmp_path / "budgets.csv"
    file.write_text(text, encoding="latin-1")
    code, out, err = finops("budgets", "import", str(file), "--json")
    assert code == 1
    assert reason in err
    assert "error" in json.loads(out)
    assert tables.scan()["Items"] == []


def test_import_names_a_quote_that_is_not_closed(
    finops: Finops, tables: Any, tmp_path: Path
) -> None:
    file = tmp_path / "budgets.csv"
    lines = [f"{number:012d},5,a@example.com," for number in range(7)]
    lines[1] = '000000000001,5,"a@example.com,'
    lines[3] = '000000000003,5,b@example.com",'
    lines[5] = '000000000005,5,,"agreed with Ann'
    file.write_text("\n".join(["account_id,amount,emails,note", *lines]))
    code, out, _ = finops("budgets", "import", str(file), "--json")
    document = json.loads(out)
    assert code == 1
    assert [one["account_id"][-1] for one in document["budgets"]] == ["0", "4"]
    over, unclosed = document["rejected"]
    assert (over["line"], over["field"], over["reason"].partition(".")[0]) == (
        3,
        "emails",
        "emails runs over more than one line",
    )
    assert unclosed["line"] == 7
    assert "is not closed" in unclosed["reason"]


def test_a_note_over_lines_is_a_note_unless_it_holds_other_lines(
    finops: Finops, tables: Any, tmp_path: Path
) -> None:
    file = tmp_path / "budgets.csv"
    lines = ["account_id,amount,note", f'{ACCOUNT},5,"agreed', 'with Ann"', '000000000001,5,"see']
    lines += ["000000000002,5,", '000000000003,5,"', "000000000004,5,"]
    file.write_text("\n".join(lines))
    code, out, _ = finops("budgets", "import", str(file), "--json")
    document = json.loads(out)
    assert code == 1
    assert [one["account_id"] for one in document["budgets"]] == [ACCOUNT, "000000000004"]
    assert [(one["line"], one["field"]) for one in document["rejected"]] == [(4, "note")]


def test_coverage_names_what_no_row_asks_for_and_counts_the_accounts_with_a_budget(
    finops: Finops, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [
        {"account_id": account_id, "name": "", "budget": budget, "amount": None, "source": source}
        | {"error": ""}
        for account_id, budget, source in (
            ("111111111111", "covered", "table"),
            ("111111111111", "ours", "by_hand"),
            ("222222222222", None, "none"),
            ("333333333333", "asked", "missing"),
            ("444444444444", None, "unknown"),
        )
    ]
    monkeypatch.setattr(BudgetDeployment, "coverage", lambda _self: found)
    code, out, err = finops("budgets", "coverage")
    assert code == 0
    assert "by_hand" in out
    assert "covered" not in out
    assert "1 of 4 accounts have a budget" in err
    assert "covered" in finops("budgets", "coverage", "--all")[1]
    assert json.loads(finops("budgets", "coverage", "--json")[1]) == {"accounts": found}


def test_columns_with_spaces_are_read(finops: Finops, tables: Any, tmp_path: Path) -> None:
    file = tmp_path / "budgets.csv"
    file.write_text(f"account_id, amount, thresholds\n {ACCOUNT} ,5,none\n")
    assert finops("budgets", "import", str(file))[0] == 0
    (row,) = tables.scan()["Items"]
    assert (row["account_id"], row["amount"], row["thresholds"]) == (ACCOUNT, 5, "none")


def put(tables: Any, **row: Any) -> None:
    tables.put_item(Item={"account_id": ACCOUNT, "budget_name": "monthly-total"} | row)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ([], ["a", "team-1", "team-2", "x"]),
        (["--account", ACCOUNT], ["team-1", "team-2", "x"]),
        (["--name", "team-?"], ["team-1", "team-2"]),
        (["--name", "Team-*"], []),
        (["--at-least", "100"], ["a", "team-2"]),
        (["--at-least", "50", "--at-most", "100.00"], ["team-1", "team-2"]),
        (["--status", "pending", "--account", "333333333333"], ["a"]),
    ],
)
def test_list_shows_what_is_asked_for(
    finops: Finops, tables: Any, options: list[str], names: list[str]
) -> None:
    for name, amount in (("team-1", 50), ("team-2", "100"), ("x", "abc")):
        put(tables, budget_name=name, amount=amount)
    put(tables, account_id="333333333333", budget_name="a", amount=500)
    code, out, _ = finops("budgets", "list", "--json", *options)
    assert (code, sorted(one["name"] for one in json.loads(out)["budgets"])) == (0, names)


def test_a_list_as_csv_is_imported_again(finops: Finops, tables: Any, tmp_path: Path) -> None:
    alerts = [{"type": "ACTUAL", "percent": Decimal(80)}]
    put(tables, budget_name="-team", amount=50, thresholds=alerts, emails="none")
    put(tables, amount="70.5", cost_filters={"Service": ["Amazon S3"]}, updated_by="=ann")
    code, out, _ = finops("budgets", "list", "--csv")
    assert code == 0
    assert "'=ann" in out
    file = tmp_path / "budgets.csv"
    file.write_text(out)
    before = [parse_budget(row) for row in tables.scan()["Items"]]
    assert finops("budgets", "import", str(file))[0] == 0
    rows = tables.scan()["Items"]
    assert [parse_budget(row) for row in rows] == before
    assert not any("status" in row for row in rows)


def test_an_edited_line_of_an_inherited_budget_is_told_and_an_unedited_one_sets_nothing(
    finops: Finops, tables: Any, tmp_path: Path
) -> None:
    put(tables, account_id="*", amount=50)
    status = {"version": "1", "status": "APPLIED", "amount": "50.00", "default_of": "*"}
    boto3.resource("dynamodb").Table("finops-budget-status").put_item(
        Item={"account_id": ACCOUNT, "budget_name": "monthly-total", **status}
    )
    _, out, _ = finops("budgets", "list", "--csv")
    file = tmp_path / "budgets.csv"
    file.write_text(out)
    assert finops("budgets", "import", str(file))[0] == 0
    assert len(tables.scan()["Items"]) == 1
    file.write_text(out.replace(",50.00,", ",60,"))
    code, out, _ = finops("budgets", "import", str(file), "--json")
    (line,) = json.loads(out)["rejected"]
    assert (code, line["field"], line["value"]) == (1, "default_of", "*")
    assert len(tables.scan()["Items"]) == 1


def test_set_tells_what_it_changed(finops: Finops, tables: Any) -> None:
    _, out, _ = finops("budgets", "set", ACCOUNT, "100", "--json")
    assert json.loads(out)["changes"] == {}
    arguments = ("budgets", "set", ACCOUNT, "250", "--threshold", "ACTUAL:80")
    _, out, _ = finops(*arguments, "--json")
    assert json.loads(out)["changes"] == {
        "amount": {"before": "100.00", "after": "250.00"},
        "thresholds": {"before": "", "after": "ACTUAL:80"},
    }
    assert finops(*arguments)[2] == ""
    assert "amount: 250.00 → 300.00" in finops("budgets", "set", ACCOUNT, "300")[2]


def test_waiting_for_two_thousand_budgets_asks_for_each_a_few_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    statuses = FakeStatuses()
    known = statuses.get_many

    def count(keys: Sequence[BudgetKey]) -> dict[BudgetKey, BudgetStatus]:
        asked.append(len(keys))
        return known(keys)

    monkeypatch.setattr(statuses, "get_many", count)
    keys = [BudgetKey(account_id=ACCOUNT, budget_name=f"b{one}") for one in range(2000)]
    arriving = iter(keys)

    def answer_some(_seconds: float) -> None:
        for key in itertools.islice(arriving, 20):
            statuses.items[key] = BudgetStatus(
                key=key, version="1", status=Status.APPLIED, request_id="mine"
            )

    monkeypatch.setattr("finops.cli.budgets.time.sleep", answer_some)
    tables: Any = SimpleNamespace(statuses=statuses)
    requests = dict.fromkeys(keys, "mine")
    budgets._wait(tables, requests, 60.0, output(as_json=True))
    assert set(statuses.items) == set(keys)
    assert sum(asked) < 4 * len(keys)


def test_an_import_waits_longer_the_more_it_writes(
    finops: Finops, tables: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(budgets, "_wait", lambda *given: waits.append(given[2]))
    file = tmp_path / "budgets.csv"
    file.write_text("account_id,amount\n222222222222,5\n333333333333,5\n")
    finops("budgets", "import", str(file), "--wait")
    finops("budgets", "import", str(file), "--wait", "--timeout", "5")
    assert waits == [61, 5]


def test_list_says_which_status_was_meant(finops: Finops, tables: Any) -> None:
    code, _, err = finops("budgets", "list", "--status", "appplied")
    assert code == 2
    assert "did you mean APPLIED?" in err
    assert "it is one of PENDING" in finops("budgets", "list", "--status", "x")[2]


def test_status_names_what_is_not_deployed(finops: Finops, tables: Any) -> None:
    code, out, _ = finops("status", "--json")
    answer = json.loads(out)
    rows = {one["name"]: one for one in answer["status"]}
    assert code == 3
    billing, *_, missing = answer["next"]
    assert billing.startswith("billing: ")
    assert "finops-publish-budget, " in missing
    assert missing.endswith("`finops doctor` says why")
    assert rows["finops-budgets"]["ok"]
    assert rows["finops-publish-budget"]["state"] == "ResourceNotFoundException"
    assert not rows["finops-publish-budget-failures"]["ok"]


def test_status_ends_with_what_waits_for_a_person(finops: Finops, tables: Any) -> None:
    finops("budgets", "set", ACCOUNT, "1500")
    answer(tables, Status.WAITING)
    steps = json.loads(finops("status", "--json")[1])["next"]
    assert steps[-1].startswith("budgets: 1 raise waits for approvals")
    said = finops("status")[2].rstrip().splitlines()
    assert said[-1] == steps[-1]
    assert "Do next:" in said


def test_an_aws_failure_ends_with_a_reason_and_not_a_stack_trace(
    finops: Finops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINOPS_NAME_PREFIX", "elsewhere")
    code, out, err = finops("budgets", "list", "--json")
    assert code == 3
    assert json.loads(out)["code"] == "ResourceNotFoundException"
    assert "Traceback" not in err


def test_wrong_usage_ends_with_two(finops: Finops) -> None:
    assert finops("budgets", "set")[0] == 2
    assert finops("budgets", "set", ACCOUNT, "5", "--colour", "red")[0] == 2


@pytest.mark.parametrize("timeout", ["-1", "nan", "-inf", "soon"])
@pytest.mark.parametrize(
    "command",
    [
        ("budgets", "set", ACCOUNT, "5"),
        ("budgets", "import", __file__),
        ("budgets", "drift"),
        ("invoices", "submit", __file__),
        ("billing", "load", __file__),
    ],
    ids=lambda one: " ".join(one[:2]),
)
def test_a_timeout_is_a_number_of_seconds(
    finops: Finops, command: tuple[str, ...], timeout: str
) -> None:
    code, out, err = finops(*command, "--timeout", timeout, "--json")
    assert code == 2
    assert json.loads(out)["error"]
    assert "Invalid value for '--timeout'" in err


@pytest.mark.parametrize("hours", ["-1", "nan", "inf", "1e300"])
def test_the_age_of_a_head_is_a_number_of_hours(finops: Finops, hours: str) -> None:
    code, out, err = finops("audit", "verify", "--max-head-age", hours, "--json")
    assert code == 2
    assert json.loads(out)["error"]
    assert "Invalid value for '--max-head-age'" in err


@pytest.mark.parametrize("limit", ["-1", "0", "9" * 20])
@pytest.mark.parametrize(
    "command", [("invoices", "list"), ("billing", "files"), ("audit", "show")], ids=" ".join
)
def test_a_limit_is_a_number_of_rows(finops: Finops, command: tuple[str, str], limit: str) -> None:
    code, out, err = finops(*command, "--limit", limit, "--json")
    assert code == 2
    assert json.loads(out)["error"]
    assert "Invalid value for '--limit'" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("invoices", "list", "--month", "2026-13"),
        ("invoices", "agreement", "--month", "2026-1"),
        ("invoices", "export", "--month", "October 2026", "--format", "csv"),
        ("budgets", "list", "--account", "1234"),
        ("budgets", "drift", "--account", "12345678901a"),
    ],
    ids=" ".join,
)
def test_what_can_match_nothing_is_refused(finops: Finops, arguments: tuple[str, ...]) -> None:
    code, _, err = finops(*arguments)
    assert code == 2
    assert "Write YYYY-MM" in err or "is not an AWS account id" in err


def test_json_is_one_document_whatever_else_was_asked_for(finops: Finops, tables: Any) -> None:
    put(tables, amount="70.5")
    for asked in (["--csv"], ["--format", "csv"]):
        assert json.loads(finops("budgets", "list", *asked, "--json")[1])["budgets"]


def test_a_command_leaves_the_log_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    before = logger.log_level
    monkeypatch.setattr("sys.argv", ["finops", "--version"])
    with pytest.raises(SystemExit):
        main()
    assert logger.log_level == before
