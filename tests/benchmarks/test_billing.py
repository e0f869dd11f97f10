"""How fast billing files load beside other ways to write rows, and how much memory that takes.

Every way writes the same columns into a table like the flow's own, in one run, through the same
local Data API; LOAD DATA writes directly to the same server. A second pass adds the 15 ms
that a call takes on AWS.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from finops.billing.domain import FileEntry, FileStatus, SourceObject
from localcloud.database import Database
from localcloud.settings import REPOSITORY
from localcloud.supervisor import LocalCloud
from localcloud.terraform import local_environment
from tests.benchmarks.billing_files import lines
from tests.benchmarks.goals import Goals
from tests.benchmarks.measuring import processor_seconds, show, timed
from tests.conftest import fresh_settings
from tests.flows.billing import HEADER, LOADER, BillingFlow, as_csv, bill
from tests.flows.deployment import Deployment, eventually

pytestmark = pytest.mark.benchmark

ROWS = int(os.environ.get("FINOPS_BENCH_ROWS", "1000000"))
FLOW = "PutObject to LOADED"
AGAIN = "the same rows in a new version"
ALONE, BATCHED, BATCH = 2_000, 50_000, 1_000
MIB = 1 << 20
#: Sizes of the files whose loader's memory is measured.
SIZES = [
    int(one) * MIB for one in os.environ.get("FINOPS_BENCH_MIB", "10,100,1024").split(",") if one
]


@contextmanager
def deployed(latency_ms: int) -> Iterator[tuple[BillingFlow, LocalCloud]]:
    """The flow on a cloud of its own, whose Data API takes so much longer a call."""
    with fresh_settings() as fresh:
        slow = {"FINOPS_DATA_API_LATENCY_MS": str(latency_ms)}
        settings = replace(fresh, emulator_environment={**fresh.emulator_environment, **slow})
        with LocalCloud(settings) as cloud:
            terraform = local_environment(
                settings, repair_schedule="rate(12 hours)", billing_loading={"chunk_concurrency": 2}
            )
            terraform.variables = {**terraform.variables, "endpoint_url": cloud.endpoint_url}
            terraform.init()
            terraform.apply()
            outputs = terraform.output()
            flow = BillingFlow(
                Deployment(url=cloud.endpoint_url, outputs=outputs["budgets"]), outputs["billing"]
            )
            rates = b"currency,rate_date,usd_per_unit\nEUR,2026-03-01,1.25\n"
            flow.drop("rates/first.csv", rates)
            yield flow, cloud


def as_values(line: str) -> dict[str, str]:
    return dict(zip(HEADER, line.rstrip("\n").split(","), strict=True))


INSERT = (
    "INSERT INTO bench_rows (dataset, record_id, company_name, country, city, product_line, item,"
    " bill_date, currency, bill_amount, amount_usd, rate, rate_date, load_id, seen_load_id, line,"
    " version_order) VALUES (:dataset, :record_id, :company_name, :country, :city, :product_line,"
    " :item, :bill_date, :currency, :bill_amount, :amount_usd, :rate, :rate_date, :load_id,"
    " :load_id, :line, :version_order)"
)


def parameters(dataset: str, number: int, line: str) -> list[dict[str, Any]]:
    row: dict[str, Any] = as_values(line) | {
        "dataset": dataset,
        "amount_usd": "1.25",
        "rate": "1.25",
        "rate_date": "2026-03-01",
        "version_order": "x",
        "load_id": 1,
        "line": number,
    }
    return [
        {"name": name, "value": {"longValue" if isinstance(value, int) else "stringValue": value}}
        for name, value in row.items()
    ]


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a way is: rows a second, and processor seconds of the database for 100,000 rows."""

    rows_a_second: float
    database_seconds: float


def speeds(flow: BillingFlow, cloud: LocalCloud, folder: Path) -> dict[str, Speed]:
    """The speed of each way."""
    flow.query("CREATE TABLE IF NOT EXISTS bench_rows LIKE billing_rows")
    client = flow.deployment.client("rds-data")
    where = {
        "resourceArn": flow.outputs["database_arn"],
        "secretArn": flow.outputs["database_secret_arn"],
        "database": flow.outputs["database_name"],
    }
    some = list(islice(lines(0), BATCHED))

    def one_by_one() -> None:
        for number, line in enumerate(some[:ALONE]):
            client.execute_statement(
                sql=INSERT, parameters=parameters("alone", number, line), **where
            )

    def batched() -> None:
        for start in range(0, BATCHED, BATCH):
            client.batch_execute_statement(
                sql=INSERT,
                parameterSets=[
                    parameters("batched", start + number, line)
                    for number, line in enumerate(some[start : start + BATCH])
                ],
                **where,
            )

    file = folder / "infile.tsv"
    with file.open("w") as out:
        for number, line in enumerate(islice(lines(0), ROWS)):
            values = line.rstrip("\n").split(",")
            out.write("\t".join(["infile", *values, "1.25", "1.25", "2026-03-01", "1", "1"]))
            out.write(f"\t{number}\tx\n")
    names = "dataset, " + ", ".join(HEADER) + ", amount_usd, rate, rate_date, load_id,"
    statement = (
        f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE bench_rows CHARACTER SET utf8mb4"
        f" ({names} seen_load_id, line, version_order)"
    )

    client_program = [
        "mariadb",
        "--no-defaults",
        "--local-infile=1",
        f"--socket={Database(cloud.settings).socket}",
        "--user=root",
        flow.outputs["database_name"],
    ]

    def run(sql: str) -> None:
        subprocess.run([*client_program, f"--execute={sql}"], check=True)

    run("SET GLOBAL local_infile = 1")  # the local cloud's server takes none otherwise

    body = (",".join(HEADER) + "\n" + "".join(islice(lines(0), ROWS))).encode()
    ended: list[FileEntry] = []

    def drop(content: bytes) -> None:
        ended.append(flow.drop("billing/bench/rows.csv", content, 900))

    flow.drop("billing/warm/up.csv", as_csv([bill(number) for number in range(100)]))
    server = int((Database(cloud.settings).folder / "mariadb.pid").read_text())

    def speed(rows: int, write: Callable[[], None]) -> Speed:
        before = processor_seconds(server)
        took = timed(write)
        return Speed(rows / took, (processor_seconds(server) - before) * 100_000 / rows)

    found = {
        "one execute_statement a row": speed(ALONE, one_by_one),
        "batch_execute_statement of 1,000": speed(BATCHED, batched),
        "LOAD DATA LOCAL INFILE": speed(ROWS, lambda: run(statement)),
        FLOW: speed(ROWS, lambda: drop(body)),
        AGAIN: speed(ROWS, lambda: drop(body + b"\n")),
    }
    assert [(one.status, one.tally.inserted, one.tally.unchanged) for one in ended] == [
        (FileStatus.LOADED, ROWS, 0),
        (FileStatus.LOADED, 0, ROWS),
    ]
    return found


#: How many times the rows a second of each other way `PutObject` to `LOADED` should reach.
GOALS = {
    "one execute_statement a row": 100,
    "batch_execute_statement of 1,000": 8,
    "LOAD DATA LOCAL INFILE": 0.5,
}
#: Rows a second of a file whose rows are known: three times as many as before they were compared
#: by digests.
KNOWN = 42_000


def test_rows_a_second(tmp_path: Path, goals: Goals) -> None:
    measured = {}
    for latency_ms in (0, 15):
        with deployed(latency_ms) as (flow, cloud):
            found = speeds(flow, cloud, tmp_path)
            measured[latency_ms] = {way: one.rows_a_second for way, one in found.items()}
            if not latency_ms:
                database = {way: one.database_seconds for way, one in found.items()}
                profile(flow, measured[latency_ms][FLOW])
    rows = []
    for way in measured[0]:
        cells = []
        for latency_ms, rates in measured.items():
            ratio = rates[FLOW] / rates[way]
            shown = "" if way in (FLOW, AGAIN) else f"{ratio:.2f} times"
            cells += [f"{rates[way]:,.0f}", shown]
            if way in GOALS:
                name = f"billing: rows/s beside {way}, {latency_ms} ms more a call"
                goals.at_least(name, GOALS[way], ratio, "times")
        rows.append((way, *cells, f"{database[way]:.2f}"))
    for latency_ms, rates in measured.items():
        name = f"billing: {AGAIN}, {latency_ms} ms more a call"
        goals.at_least(name, KNOWN, rates[AGAIN], "rows/s")
    columns = ("way", "rows/s", "ours is", "rows/s, 15 ms more a call", "ours is", "database, s")
    title = f"{ROWS:,} rows; processor seconds of the database for 100,000 rows, without the 15 ms"
    show(title, columns, rows)


def profile(flow: BillingFlow, whole: float) -> None:
    """Where the time of a load goes: each part alone, in rows a second."""
    code = Path(__file__).with_name("billing_profile.py")
    answer = subprocess.run(
        [sys.executable, str(code), str(ROWS)],
        env=os.environ | function_environment(flow),
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    parts = json.loads(answer.stdout) | {"all of it, side by side": whole}
    rows = [(name, f"{rate:,.0f}") for name, rate in parts.items()]
    show("Each part of a load alone, rows/s; and what is sent", ("part", ""), rows)


def function_environment(flow: BillingFlow) -> dict[str, str]:
    """The loader's environment, with credentials of its account's root."""
    found = flow.deployment.client("lambda").get_function_configuration(FunctionName=LOADER)
    return {
        **found["Environment"]["Variables"],
        "AWS_ENDPOINT_URL": flow.deployment.url,
        "AWS_ACCESS_KEY_ID": "111111111111",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY / "lambda_src"), str(REPOSITORY)]),
    }


MEMORY = """
import json, sys, types
from finops.billing import handlers
from tests.benchmarks.peak_memory import peak_mib
context = types.SimpleNamespace(
    function_name="bench", memory_limit_in_mb=512, aws_request_id="1",
    invoked_function_arn="arn:aws:lambda:us-east-1:111111111111:function:bench",
    get_remaining_time_in_millis=lambda: 10**9)
answer = handlers.load_billing_file(json.load(open(sys.argv[1])), context)
assert answer == {"batchItemFailures": []}, answer
with open(sys.argv[2], "w") as out:
    out.write(str(peak_mib()))
"""


def write_large(path: Path, size: int) -> int:
    """A file of so many bytes with quoted line breaks and long texts. Returns its rows."""
    text = "a long text that goes on and on, " * 6  # an item has 255 characters at most
    count = 0
    with path.open("w") as out:
        out.write(",".join(HEADER) + "\n")
        for line in lines(size, f'"{text}\nand on the next line"'):
            out.write(line)
            count += 1
            if count % 1000 == 0 and out.tell() >= size:
                return count
    return count


def test_memory_and_parts(tmp_path: Path, goals: Goals) -> None:
    """The loader's peak memory by size, and the same totals when the largest goes in parts."""
    table = []
    with deployed(0) as (flow, _):
        for size in SIZES:
            file = tmp_path / "large.csv"
            rows = write_large(file, size)
            took, memory, whole = in_one_piece(flow, file, size, tmp_path)
            cells = [f"{size // MIB:,}", f"{rows:,}", f"{took:.0f}", f"{memory:.0f}"]
            name = f"billing: peak memory of the loader, file of {size // MIB:,} MiB"
            goals.at_most(name, 150, memory, "MB")
            if size == max(SIZES):
                with file.open("a") as out:
                    out.write("\n")  # a blank line: other content, the same rows
                # The same bills in two datasets would count twice.
                flow.query(
                    "UPDATE billing_files SET status = 'WITHDRAWN' WHERE load_id = :load_id",
                    load_id=whole.load_id,
                )
                start = time.perf_counter()
                parts = upload(flow, file, "billing/parts/large.csv")
                entry = flow.ended(parts, within=1800)
                assert entry.status is FileStatus.LOADED, entry.error
                assert (entry.tally, entry.amounts, entry.amount_usd) == (
                    whole.tally,
                    whole.amounts,
                    whole.amount_usd,
                )
                cells.append(f"{time.perf_counter() - start:.0f}")
            table.append(cells)
            file.unlink()
    columns = ("MiB", "rows", "one piece, s", "peak memory of the loader, MB", "in parts, s")
    show("A file with quoted line breaks, in one piece and in parts", columns, table)


def upload(flow: BillingFlow, file: Path, key: str) -> SourceObject:
    s3 = flow.deployment.client("s3")
    s3.upload_file(str(file), flow.outputs["bucket"], key)
    head = s3.head_object(Bucket=flow.outputs["bucket"], Key=key)
    return SourceObject(
        bucket=flow.outputs["bucket"],
        key=key,
        version_id=head["VersionId"],
        etag=head["ETag"].strip('"'),
        size=head["ContentLength"],
        order="",
    )


def in_one_piece(
    flow: BillingFlow, file: Path, size: int, folder: Path
) -> tuple[float, float, FileEntry]:
    """Load a file by the handler in a process of its own: (seconds, peak MiB, ledger row)."""
    event, peak = folder / "event.json", folder / "peak"
    with flow.by_hand():
        source = upload(flow, file, f"billing/whole-{size}/large.csv")
        event.write_text(json.dumps(flow.event(replace(source, size=1), "2026-04-01T00:00:00Z")))
        environment = os.environ | function_environment(flow)

        def load() -> None:
            ran = subprocess.run(
                [sys.executable, "-c", MEMORY, str(event), str(peak)],
                env=environment,
                check=False,
                capture_output=True,
                text=True,
            )
            assert ran.returncode == 0, f"{ran.stdout[-4000:]}\n{ran.stderr}"

        took = timed(load)
        entry = eventually(lambda: flow.store.by_file_id(source.file_id), what="the ledger")
    assert entry.status is FileStatus.LOADED, entry.error
    return took, float(peak.read_text()), entry
