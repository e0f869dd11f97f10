"""`finops billing withdraw` and `move`, over a ledger in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from finops.billing.domain import LOADED, FileEntry, FileStatus, SourceObject
from finops.billing.moving import Mover
from finops.billing.withdrawal import Withdrawer
from finops.shared.errors import RejectedInput, TransientFailure
from tests.audit.recorders import MemoryRecorder
from tests.billing.use_cases import Flow, bills, month
from tests.cli.conftest import BillingOn
from tests.cli.conftest import run_billing as run


class Deployment:
    """As `BillingDeployment`, over the use cases in memory."""

    def __init__(self) -> None:
        self.flow = Flow()
        self.store = self
        self.entry = self.flow.load(self.flow.objects.put("billing/one/march.csv", bills(("a", 1))))

    caller = "arn:aws:iam::111111111111:user/anna <AIDAANNA>"

    @property
    def withdrawer(self) -> Withdrawer:
        return Withdrawer(store=self.flow.store, audit=self.flow.audit, clock=self.flow.clock)

    @property
    def mover(self) -> Mover:
        return Mover(
            withdrawer=self.withdrawer, files=self.files, newest=self.newest, copy=self.copy
        )

    def files(self, *, ending: str, limit: int) -> list[FileEntry]:
        found = [one for one in self.flow.store.files.values() if one.source.key.endswith(ending)]
        return found[::-1][:limit]

    def by_file_id(self, file_id: str) -> FileEntry | None:
        found = self.flow.store.files.values()
        return next((one for one in found if one.source.file_id == file_id), None)

    def newest(self, key: str) -> SourceObject | None:
        found = [version for name, version in self.flow.objects.content if name == key]
        if not found:
            return None
        return replace(self.entry.source, key=key, version_id=found[-1])

    @property
    def audit(self) -> MemoryRecorder:
        return self.flow.audit

    def upload(
        self, path: Path, key: str, sent: Callable[[int], None], said: Mapping[str, str]
    ) -> str:
        """Upload and load at once; what is said of a file are its metadata."""
        source = self.flow.objects.put(key, path.read_bytes())
        self.flow.objects.said[source.version_id] = dict(said)
        sent(source.size)
        return self.flow.load(source).source.file_id

    def deliver_again(self, entry: FileEntry) -> None:
        self.flow.load(entry.source)

    def find(self, load_id: int) -> FileEntry:
        files: dict[int, FileEntry] = self.flow.store.files
        return files[load_id]

    def copy(self, entry: FileEntry, key: str, before: SourceObject | None) -> str:
        assert before == self.newest(key)
        content = self.flow.objects.content[entry.source.key, entry.source.version_id]
        return self.flow.load(self.flow.objects.put(key, content)).source.file_id


@pytest.fixture
def deployment(billing_on: BillingOn) -> Deployment:
    made = Deployment()
    billing_on(made)
    return made


def test_a_file_is_taken_back_with_a_reason(deployment: Deployment) -> None:
    code, answer = run("withdraw", "march.csv", "--reason", "wrong month")
    assert code == 0
    (file,) = answer["files"]
    assert (file["status"], file["rows_removed"], file["rows_kept"]) == ("WITHDRAWN", 1, 0)
    assert file["error"].endswith(": wrong month")
    assert deployment.flow.store.rows == {}
    with pytest.raises(RejectedInput, match="nothing of it counts"):
        run("withdraw", "march.csv", "--reason", "again")
    assert run("withdraw", "march.csv")[0] == 2


def test_a_file_is_moved_to_another_dataset(deployment: Deployment) -> None:
    options = ("--dataset", "two", "--reason", "wrong dataset")
    code, answer = run("move", "march.csv", *options, "--wait")
    assert (code, answer["files"][0]["status"]) == (0, "LOADED")
    assert set(deployment.flow.store.rows) == {("two", "a")}
    for dataset in ("two", "", "a\n", "two/", "BILLING_PERIOD=2026-03"):
        with pytest.raises(RejectedInput) as refused:
            run("move", "billing/two/march.csv", "--dataset", dataset, "--reason", "wrong")
        assert refused.value.code == "invalid_dataset"
    assert deployment.flow.store.files[2].status is FileStatus.LOADED


@pytest.mark.parametrize("cut_off", [False, True])
def test_all_versions_of_a_file_are_moved(deployment: Deployment, *, cut_off: bool) -> None:
    flow = deployment.flow
    flow.load(flow.objects.put("billing/one/march.csv", bills(("a", 2), ("b", 3))))
    flow.load(flow.objects.put("billing/one/march.csv", bills(("c", 4))))
    if cut_off:
        assert run("withdraw", "march.csv", "--reason", "wrong dataset")[0] == 0
    code, answer = run(*MOVE)
    assert code == 0
    assert [one["file"] for one in answer["files"]] == [
        "billing/two/march.csv (version 1)",
        "billing/two/march.csv (version 2)",
        "billing/two/march.csv",
    ]
    assert amounts(deployment) == {("two", "a"): 2, ("two", "b"): 3, ("two", "c"): 4}


def test_a_move_that_was_cut_off_after_the_first_version_goes_on(deployment: Deployment) -> None:
    flow = deployment.flow
    flow.load(flow.objects.put("billing/one/march.csv", bills(("b", 3))))
    assert run("withdraw", "march.csv", "--reason", "wrong dataset")[0] == 0
    flow.load(flow.objects.put("billing/two/march.csv", bills(("a", 1))))
    code, answer = run(*MOVE)
    assert (code, [one["file"] for one in answer["files"]]) == (0, ["billing/two/march.csv"])
    assert amounts(deployment) == {("two", "a"): 1, ("two", "b"): 3}
    with pytest.raises(RejectedInput, match="is there already"):
        run(*MOVE)


MOVE = ("move", "billing/one/march.csv", "--dataset", "two", "--reason", "wrong dataset", "--wait")


def amounts(deployment: Deployment) -> dict[tuple[str, str], Decimal]:
    rows = deployment.flow.store.rows
    return {key: Decimal(row["bill_amount"]) for key, row in rows.items()}


@pytest.mark.parametrize("is_loaded", [True, False])
def test_a_move_never_replaces_another_file_of_the_name(
    deployment: Deployment, is_loaded: bool
) -> None:
    flow = deployment.flow
    source = flow.objects.put("billing/two/march.csv", bills(("b", 200), ("c", 7)))
    if is_loaded:
        flow.load(source)
    before = amounts(deployment)
    with pytest.raises(RejectedInput, match=r"billing/two/march\.csv is there already") as refused:
        run(*MOVE)
    assert refused.value.code == "key_is_taken"
    flow.load(source)
    assert before == {key: one for key, one in amounts(deployment).items() if key in before}
    assert sum(amounts(deployment).values()) == 208


def test_a_copy_in_the_right_dataset_counts_by_the_remedies_that_are_told(
    deployment: Deployment,
) -> None:
    flow = deployment.flow
    copy = flow.load(flow.objects.put("billing/two/march.csv", bills(("a", 1))))
    assert (copy.status, copy.error_code) == (FileStatus.REJECTED, "duplicate_content")
    with pytest.raises(RejectedInput) as taken:
        run(*MOVE)
    first = deployment.entry.load_id
    for steps in (copy.error, str(taken.value.remedy)):
        assert f"`finops billing withdraw {first} --reason …`" in steps
        assert f"`finops billing retry {copy.load_id}`" in steps
    assert run("withdraw", str(first), "--reason", "wrong dataset")[0] == 0
    code, answer = run("retry", str(copy.load_id), "--wait")
    assert (code, answer["files"][0]["status"]) == (0, "LOADED")
    assert amounts(deployment) == {("two", "a"): 1}


def test_a_file_whose_key_is_taken_loads_under_another_name_by_the_remedy(
    deployment: Deployment, tmp_path: Path
) -> None:
    deployment.flow.load(deployment.flow.objects.put("billing/two/march.csv", bills(("b", 200))))
    with pytest.raises(RejectedInput) as taken:
        run(*MOVE)
    first = deployment.entry.load_id
    remedy = str(taken.value.remedy)
    assert f"`finops billing withdraw {first} --reason …`, then load it" in remedy
    assert "retry" not in remedy
    assert run("withdraw", str(first), "--reason", "wrong dataset")[0] == 0
    renamed = tmp_path / "march-one.csv"
    renamed.write_bytes(bills(("a", 1)))
    assert run("load", str(renamed), "--dataset", "two", "--wait")[0] == 0
    assert amounts(deployment) == {("two", "a"): 1, ("two", "b"): 200}


def test_a_move_does_not_replace_a_loaded_file_whose_object_is_gone(deployment: Deployment) -> None:
    source = deployment.flow.objects.put("billing/two/march.csv", bills(("b", 200)))
    deployment.flow.load(source)
    del deployment.flow.objects.content[source.key, source.version_id]
    with pytest.raises(RejectedInput, match="is there already"):
        run(*MOVE)
    assert sum(amounts(deployment).values()) == 201


def test_a_move_that_was_cut_off_is_done_again(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(entry: FileEntry, key: str, _before: SourceObject | None) -> str:
        raise TransientFailure(f"{entry.source.key} {key}", code="SlowDown", step="copy_file")

    with monkeypatch.context() as patched:
        patched.setattr(deployment, "copy", unreachable)
        with pytest.raises(TransientFailure):
            run(*MOVE)
    assert amounts(deployment) == {}
    code, answer = run(*MOVE)
    assert (code, answer["files"][0]["status"]) == (0, "LOADED")
    assert amounts(deployment) == {("two", "a"): 1}


def test_a_file_is_moved_back(deployment: Deployment) -> None:
    assert run(*MOVE)[0] == 0
    back = ("move", "billing/two/march.csv", "--dataset", "one", "--reason", "it was right")
    assert run(*back, "--wait")[0] == 0
    assert amounts(deployment) == {("one", "a"): 1}


def costs(deployment: Deployment) -> Decimal:
    """What charges of loaded files add up to."""
    flow = deployment.flow
    return sum(
        (
            Decimal(row["billed_cost"])
            for (load_id, _), row in flow.store.charges.items()
            if flow.store.files[load_id].status in LOADED
        ),
        Decimal(0),
    )


def load(folder: Path, name: str, cost: str, *options: str) -> tuple[int, str]:
    """Exit code and error code of `finops billing load`, as a person types it."""
    path = folder / name
    path.write_bytes(month(cost))
    code, answer = run("load", str(path), *options, "--wait")
    return code, answer["files"][0]["error_code"] or ""


def test_files_of_one_month_do_not_add_up_unless_a_person_says_so(
    deployment: Deployment, tmp_path: Path
) -> None:
    assert load(tmp_path, "focus-march.csv", "4.50") == (0, "")
    assert load(tmp_path, "focus-march-restated.csv", "4.25") == (1, "period_is_loaded")
    assert costs(deployment) == Decimal("4.50")
    assert load(tmp_path, "focus-märz.csv", "3", "--part-of", "focus-march.csv") == (0, "")
    assert load(tmp_path, "rest.csv", "1", "--part-of", "focus-märz.csv") == (0, "")
    assert costs(deployment) == Decimal("8.50")
    assert load(tmp_path, "whole.csv", "9", "--replace") == (0, "")
    assert costs(deployment) == 9


def test_a_refused_file_is_loaded_by_the_words_of_its_message(
    deployment: Deployment, tmp_path: Path
) -> None:
    load(tmp_path, "focus-march.csv", "4.50")
    load(tmp_path, "focus-march-restated.csv", "4.25")
    refused = deployment.flow.store.files[3]
    assert f"finops billing retry {refused.load_id} --part-of 2" in refused.error
    assert run("retry", "3", "--part-of", "2", "--wait")[0] == 0
    assert costs(deployment) == Decimal("8.75")
    code, answer = run("withdraw", "3", "--reason", "it restates the other")
    assert (code, answer["files"][0]["replaced"]) == (0, [])
    assert run("retry", "3", "--replace", "--wait")[0] == 0
    assert costs(deployment) == Decimal("4.25")
    code, answer = run("withdraw", "3", "--reason", "it was wrong")
    (replaced,) = answer["files"][0]["replaced"]
    assert (replaced["load_id"], replaced["status"]) == (2, "SUPERSEDED")
    assert costs(deployment) == 0
    assert run("retry", "2", "--wait")[0] == 0
    assert costs(deployment) == Decimal("4.50")
    retried = [
        one.details for one in deployment.flow.audit.events if one.action == "billing_file.retried"
    ]
    assert [one["status"] for one in retried] == ["REJECTED", "WITHDRAWN", "SUPERSEDED"]
    assert retried[0]["part_of"] == "billing/focus-march.csv"
    assert retried[1]["restates"] == "yes"


def test_a_part_belongs_to_a_file_that_counts_and_replaces_nothing(
    deployment: Deployment, tmp_path: Path
) -> None:
    load(tmp_path, "focus-march.csv", "4.50")
    load(tmp_path, "focus-march-restated.csv", "4.25")
    for options in (
        ("--part-of", "focus-march-restated.csv"),
        ("--part-of", "2", "--replace"),
    ):
        with pytest.raises(RejectedInput) as refused:
            run("retry", "3", *options)
        assert refused.value.code == "invalid_part_of"
    with pytest.raises(RejectedInput, match="nothing to retry"):
        run("retry", "2", "--replace")
    assert costs(deployment) == Decimal("4.50")


def test_files_of_one_name_are_not_sent_in_place_of_one_another(
    deployment: Deployment, tmp_path: Path
) -> None:
    paths = [tmp_path / folder / "march.csv" for folder in ("north", "south")]
    for number, path in enumerate(paths):
        path.parent.mkdir()
        path.write_bytes(bills(("1", number + 10)))
    with pytest.raises(RejectedInput, match=r"billing/acme/march\.csv") as refused:
        run("load", *map(str, paths), "--dataset", "acme")
    assert (refused.value.code, len(deployment.flow.store.files)) == ("equal_names", 1)


def test_a_name_is_that_of_the_whole_file(deployment: Deployment) -> None:
    flow = deployment.flow
    for name in ("pre-march.csv", "2025-march.csv"):
        flow.load(flow.objects.put(f"billing/one/{name}", bills((name, 1))))
    code, answer = run("withdraw", "march.csv", "--reason", "wrong")
    assert (code, answer["files"][0]["load_id"]) == (0, 1)
    with pytest.raises(RejectedInput, match=r"no file 'arch\.csv'"):
        run("withdraw", "arch.csv", "--reason", "wrong")
    with pytest.raises(RejectedInput, match=r"no file 'ne/pre-march\.csv'"):
        run("withdraw", "ne/pre-march.csv", "--reason", "wrong")
    assert run("withdraw", "one/pre-march.csv", "--reason", "wrong")[0] == 0


@pytest.mark.parametrize("command", [["withdraw"], ["move", "--dataset", "four"]])
def test_of_several_files_of_a_name_the_one_that_is_meant_is_asked_for(
    deployment: Deployment, command: list[str]
) -> None:
    flow = deployment.flow
    flow.load(flow.objects.put("billing/two/march.csv", bills(("b", 2))))
    with pytest.raises(RejectedInput) as refused:
        run(*command, "march.csv", "--reason", "wrong")
    assert refused.value.code == "ambiguous_file"
    assert "billing/one/march.csv (load 1), billing/two/march.csv (load 2)" in str(refused.value)
    assert {one.status for one in flow.store.files.values()} == {FileStatus.LOADED}
    # Versions of one object are one file; a file that counts no more is none.
    flow.load(flow.objects.put("billing/two/march.csv", bills(("b", 3))))
    assert run("withdraw", "1", "--reason", "wrong")[0] == 0
    assert run(*command, "march.csv", "--reason", "wrong")[0] == 0


def test_corrected_rows_name_the_file_that_they_fix(deployment: Deployment, tmp_path: Path) -> None:
    path = tmp_path / "march.csv"
    path.write_bytes(bills(("b", 1), ("c", "ten")))
    code, answer = run("load", str(path), "--dataset", "two", "--wait")
    assert (code, answer["files"][0]["rows_quarantined"]) == (1, 1)
    path = tmp_path / "march-fixed.csv"
    path.write_bytes(bills(("c", 10)))
    load_id = str(answer["files"][0]["load_id"])
    fixed = ("load", str(path), "--corrects", load_id)
    for refused in (("--corrects", "1"), ("--corrects", load_id, "--dataset", "one")):
        with pytest.raises(RejectedInput) as error:
            run("load", str(path), *refused)
        assert error.value.code == "invalid_corrects"
    code, answer = run(*fixed, "--leave-out-rest", "--wait")
    assert code == 0
    before, after = list(deployment.flow.store.files.values())[-2:]
    assert after.dataset == "two"
    assert (after.source.corrects, after.source.leaves_out) == (before.source.file_id, True)
    assert answer["files"][0]["corrects"] == before.source.file_id
    refused_whole = deployment.flow.load(deployment.flow.objects.put("billing/two/x.csv", b"x\n"))
    assert refused_whole.status is FileStatus.REJECTED
    assert run("load", str(path), "--corrects", str(refused_whole.load_id))[0] == 0
