"""The ECB's rates, fetched on a schedule: on which days, what is dropped, and from where."""

from __future__ import annotations

import http.client
import http.server
import io
import socket
import threading
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

import pytest

from finops.billing import handlers
from finops.billing.adapters import downloads
from finops.billing.adapters.downloads import Download
from finops.billing.ecb_days import day_due, days_missing, is_published_on
from finops.billing.rates_fetcher import FetchedRates, RatesFetcher
from finops.shared import observability
from finops.shared.errors import ConfigurationError, FinOpsError, RejectedInput, TransientFailure
from tests.billing.use_cases import Flow

FRIDAY = date(2026, 3, 6)


def ecb_xml(*days: date, rate: str = "1.08") -> bytes:
    """As the ECB publishes it: https://www.ecb.europa.eu/stats/eurofxref/eurofxref-daily.xml."""
    cubes = "".join(
        f'<Cube time="{day}"><Cube currency="USD" rate="{rate}"/>'
        '<Cube currency="JPY" rate="161.2"/></Cube>'
        for day in days
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><gesmes:Envelope'
        ' xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"'
        ' xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">'
        f"<Cube>{cubes}</Cube></gesmes:Envelope>"
    ).encode()


class TestDays:
    def test_closing_days_of_target_are_no_days_of_rates(self) -> None:
        """https://www.ecb.europa.eu/ecb/contacts/working-hours/."""
        closed = [(1, 1), (4, 3), (4, 6), (5, 1), (12, 25), (12, 26)]
        year = [date(2026, 1, 1) + timedelta(days) for days in range(365)]
        weekdays = [day for day in year if day.weekday() < 5]
        found = [(day.month, day.day) for day in weekdays if not is_published_on(day)]
        # Boxing Day of 2026 is a Saturday.
        assert found == closed[:-1]
        assert not any(map(is_published_on, set(year) - set(weekdays)))

    @pytest.mark.parametrize(
        ("now", "due"),
        [
            ("2026-03-06T16:59", "2026-03-05"),
            ("2026-03-06T17:00", "2026-03-06"),
            ("2026-03-07T18:00", "2026-03-06"),
            ("2026-03-08T18:00", "2026-03-06"),
            ("2026-03-09T16:00", "2026-03-06"),
            ("2026-03-09T18:00", "2026-03-09"),
            ("2026-04-06T23:00", "2026-04-02"),
            ("2026-01-01T18:00", "2025-12-31"),
            ("2026-12-28T10:00", "2026-12-24"),
        ],
    )
    def test_weekends_and_closing_days_leave_nothing_due(self, now: str, due: str) -> None:
        assert str(day_due(datetime.fromisoformat(now))) == due

    @pytest.mark.parametrize(
        ("known", "last", "missing"),
        [
            # Monday the 9th was missed: told from Tuesday on.
            ("03-06 03-10", "03-10", "03-09"),
            ("03-06 03-10 03-12", "03-12", "03-09 03-11"),
            ("03-06 03-09 03-10", "03-10", ""),
            # Good Friday and Easter Monday; what is before the first day was never asked for.
            ("04-02 04-07", "04-07", ""),
            ("04-01 04-07", "04-07", "04-02"),
            ("03-10", "03-10", ""),
            ("", "03-10", ""),
        ],
    )
    def test_a_working_day_between_known_ones_is_missing(
        self, known: str, last: str, missing: str
    ) -> None:
        def days(text: str) -> list[date]:
            return [date.fromisoformat(f"2026-{one}") for one in text.split()]

        assert days_missing(days(known), days(last)[0]) == days(missing)


class TestMissedDays:
    """With the file of a day, the next one does not make up for it."""

    def flow(self, *days: str) -> Flow:
        flow = Flow(now=datetime(2026, 3, 12, 18, tzinfo=UTC))
        for day in days:
            content = ecb_xml(date.fromisoformat(day))
            flow.load_rates(flow.objects.put(f"rates/ecb/{day}.xml", content))
        return flow

    def test_a_missed_monday_is_told_from_tuesday_on_until_it_is_there(self) -> None:
        flow = self.flow("2026-03-06", "2026-03-10")
        monday = date(2026, 3, 9)
        assert flow.rates_loader.days_missing() == [monday]
        flow.load_rates(flow.objects.put("rates/ecb/11.xml", ecb_xml(date(2026, 3, 11))))
        assert flow.rates_loader.days_missing() == [monday]
        history = ecb_xml(*(date(2026, 3, day) for day in (5, 6, 9, 10)))
        flow.load_rates(flow.objects.put("rates/hist.xml", history))
        assert flow.rates_loader.days_missing() == []

    def test_a_rate_that_a_person_gave_makes_up_for_it(self) -> None:
        flow = self.flow("2026-03-06", "2026-03-10")
        body = b"currency,rate_date,usd_per_unit\nEUR,2026-03-09,1.08\n"
        flow.load_rates(flow.objects.put("rates/mine.csv", body))
        assert flow.rates_loader.days_missing() == []

    def test_rates_of_persons_alone_have_no_such_days(self) -> None:
        flow = Flow(now=datetime(2026, 3, 12, 18, tzinfo=UTC))
        body = b"currency,rate_date,usd_per_unit\nEUR,2026-03-02,1.08\nEUR,2026-03-12,1.08\n"
        flow.load_rates(flow.objects.put("rates/mine.csv", body))
        assert flow.rates_loader.days_missing() == []
        assert Flow().rates_loader.days_missing() == []

    def test_the_function_counts_and_names_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        counted: dict[str, float] = {}
        said: list[str] = []

        def count(name: str, _unit: Any, value: float) -> None:
            counted[name] = value

        def warn(text: str, *named: str) -> None:
            said.append(text % named)

        monkeypatch.setattr(observability.metrics, "add_metric", count)
        monkeypatch.setattr(observability.logger, "warning", warn)
        flow = self.flow("2026-03-06", "2026-03-10")
        monkeypatch.setattr(handlers, "_rates_loader", lambda: Loader(flow))
        source = flow.objects.put("rates/ecb/11.xml", ecb_xml(date(2026, 3, 11)))
        monkeypatch.setattr(handlers, "source_objects", lambda _event: [source])
        handle: Any = handlers.load_billing_file
        record = {"messageId": "1", "body": "{}", "attributes": {"SentTimestamp": "0"}}
        handle.__wrapped__.__wrapped__({"Records": [record]}, None)
        assert counted["RateDaysMissing"] == 1
        assert any("rates of 2026-03-09 are missing" in one for one in said)


class Loader:
    def __init__(self, flow: Flow) -> None:
        self.load, self.days_missing = flow.load_rates, flow.rates_loader.days_missing


class Objects:
    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}

    def create(self, key: str, content: bytes) -> bool:
        if key in self.content:
            return False
        self.content[key] = content
        return True


def fetcher(content: bytes, objects: Objects, now: str = "2026-03-06T18:00") -> RatesFetcher:
    return RatesFetcher(
        download=lambda: content,
        objects=objects,
        clock=lambda: datetime.fromisoformat(now).replace(tzinfo=UTC),
    )


def as_zip(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("eurofxref-hist.csv", content)
    return file.getvalue()


class TestFetcher:
    def test_a_file_is_dropped_once_under_a_key_of_its_day(self) -> None:
        objects = Objects()
        first = fetcher(ecb_xml(FRIDAY), objects).fetch()
        assert first.key.startswith("rates/ecb/2026-03-06-")
        assert first.key.endswith(".xml")
        assert (first.is_new, first.rates, first.is_missing) == (True, 2, False)
        again = fetcher(ecb_xml(FRIDAY), objects).fetch()
        assert (again.key, again.is_new) == (first.key, False)
        corrected = fetcher(ecb_xml(FRIDAY, rate="1.09"), objects).fetch()
        assert corrected.is_new
        assert [*objects.content.values()] == [ecb_xml(FRIDAY), ecb_xml(FRIDAY, rate="1.09")]

    @pytest.mark.parametrize(
        ("content", "suffix"),
        [
            (ecb_xml(FRIDAY, FRIDAY - timedelta(1)), "xml"),
            (b"Date,USD,DKK,\n2026-03-06,1.08,7.46,\n", "csv"),
            (as_zip(b"Date,USD,DKK,\n2026-03-06,1.08,7.46,\n"), "zip"),
        ],
    )
    def test_the_ecbs_files_are_known_in_each_of_their_forms(
        self, content: bytes, suffix: str
    ) -> None:
        found = fetcher(content, Objects()).fetch()
        assert (found.newest, found.key.rpartition(".")[2]) == (FRIDAY, suffix)

    @pytest.mark.parametrize(
        ("now", "is_missing"),
        [("2026-03-08T18:00", False), ("2026-03-09T16:00", False), ("2026-03-09T18:00", True)],
    )
    def test_the_rates_of_a_working_day_are_missed_and_no_others(
        self, now: str, is_missing: bool
    ) -> None:
        found = fetcher(ecb_xml(FRIDAY), Objects(), now).fetch()
        assert found.is_missing is is_missing

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (b"<html><body>Access denied</body></html>", "holds no rates"),
            (b"", "empty"),
            # Whoever has taken over the URL must not set rates that go before the ECB's.
            (b"currency,rate_date,usd_per_unit\nEUR,2026-03-06,9\n", "no rates of the ECB"),
            (b"Date,USD,DKK\n2026-03-06,much,1\n", "its line 2"),
            (b"Date,USD,DKK\n2026-03-06,1.27,8.61\n", "its line 2"),
            (ecb_xml(date(2026, 3, 9)), "has not come"),
            (b"<!DOCTYPE x [<!ENTITY a 'b'>]><x/>", "document type"),
        ],
    )
    def test_what_are_no_rates_of_the_ecb_is_never_dropped(self, content: bytes, says: str) -> None:
        objects = Objects()
        with pytest.raises(RejectedInput) as refused:
            fetcher(content, objects).fetch()
        assert says in refused.value.explanation
        assert objects.content == {}

    def test_of_two_runs_at_once_one_drops_the_file(self) -> None:
        objects = Objects()
        found: list[FetchedRates] = []
        runs = [
            threading.Thread(target=lambda: found.append(fetcher(ecb_xml(FRIDAY), objects).fetch()))
            for _ in range(4)
        ]
        for run in runs:
            run.start()
        for run in runs:
            run.join()
        assert len(objects.content) == 1
        assert len({one.key for one in found}) == 1


class Site(http.server.BaseHTTPRequestHandler):
    """Answers what the path says: a status, or a way to answer."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        match self.path.strip("/").split("-"):
            case ["cut"]:
                self._answer(200, b"half", length=8)
            case ["once", status]:
                is_first = self.asked.count(self.path) == 1
                self._answer(int(status) if is_first else 200, b"content")
            case ["large", size]:
                self._answer(200, b"x" * int(size))
            case [status]:
                self._answer(int(status), b"content")

    def _answer(self, status: int, body: bytes, length: int | None = None) -> None:
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "/200")
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def site() -> Iterator[str]:
    Site.asked.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def download(url: str, **how: Any) -> tuple[bytes | FinOpsError, list[float]]:
    pauses: list[float] = []
    try:
        return Download(url, public=False, pause=pauses.append, **how)(), pauses
    except FinOpsError as error:
        return error, pauses


class TestDownload:
    def test_a_content_is_had(self, site: str) -> None:
        assert download(f"{site}/200") == (b"content", [])

    @pytest.mark.parametrize("status", [408, 429, 500, 503])
    def test_a_busy_service_is_asked_again(self, site: str, status: int) -> None:
        assert download(f"{site}/once-{status}") == (b"content", [2])
        error, pauses = download(f"{site}/{status}")
        assert isinstance(error, TransientFailure)
        assert pauses == [2, 4]
        assert len(Site.asked) == 2 + 3

    @pytest.mark.parametrize("status", [301, 302, 307, 308, 403, 404])
    def test_a_redirect_or_a_refusal_is_neither_followed_nor_tried_again(
        self, site: str, status: int
    ) -> None:
        error, pauses = download(f"{site}/{status}")
        assert isinstance(error, ConfigurationError)
        assert f"HTTP {status}" in error.message
        assert site not in str(error)
        assert (pauses, Site.asked) == ([], [f"/{status}"])

    def test_a_content_that_is_cut_off_is_no_content(self, site: str) -> None:
        error, _ = download(f"{site}/cut")
        assert isinstance(error, TransientFailure)
        assert len(Site.asked) == 3

    def test_size_and_time_have_limits(self, site: str, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = iter(range(0, 10_000, 100))
        error, _ = download(f"{site}/200", clock=lambda: float(next(clock)))
        assert isinstance(error, TransientFailure)
        assert "took more than" in error.message
        monkeypatch.setattr(downloads, "LARGEST", 1000)
        assert download(f"{site}/large-1000")[0] == b"x" * 1000
        error, pauses = download(f"{site}/large-1001")
        assert isinstance(error, ConfigurationError)
        assert (error.code, pauses) == ("download_too_large", [])

    def test_nobody_there_is_a_transient_failure(self) -> None:
        error, pauses = download("http://127.0.0.1:1/200")
        assert isinstance(error, TransientFailure)
        assert len(pauses) == 2

    @pytest.mark.parametrize(
        "url",
        [
            "http://www.ecb.europa.eu/x.xml",
            "https://169.254.169.254/latest/meta-data",
            "https://127.0.0.1:9001/2018-06-01/runtime",
            "https://[::1]/",
            "file:///etc/passwd",
        ],
    )
    def test_only_public_services_are_reached(self, url: str) -> None:
        with pytest.raises(ConfigurationError) as refused:
            Download(url, pause=lambda _: None)()
        assert refused.value.code == "unsafe_url"

    def test_a_name_that_leads_elsewhere_once_it_is_checked_is_refused(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Connected:
            def getpeername(self) -> tuple[str, int]:
                return ("10.0.0.1", 443)

            def close(self) -> None:
                """Closed."""

        def connect(self: http.client.HTTPSConnection) -> None:
            self.sock = Connected()

        monkeypatch.setattr(http.client.HTTPSConnection, "connect", connect)
        public = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 443))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kind: public)
        with pytest.raises(ConfigurationError) as refused:
            Download("https://www.ecb.europa.eu/x.xml", pause=lambda _: None)()
        assert refused.value.code == "unsafe_url"


@pytest.mark.parametrize(("day", "missing"), [("2026-03-06", 0), ("2026-03-05", 1)])
def test_each_run_counts_what_it_fetched_and_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, day: str, missing: int
) -> None:
    counted: dict[str, float] = {}

    def add(name: str, _unit: Any, value: float) -> None:
        counted[name] = value

    objects = Objects()
    monkeypatch.setenv("RATES_URL", "https://rates.example.com/daily.xml")
    monkeypatch.setattr(Download, "__call__", lambda _self: ecb_xml(date.fromisoformat(day)))
    monkeypatch.setattr(handlers, "_objects", lambda: objects)
    monkeypatch.setattr(handlers, "_now", lambda: datetime(2026, 3, 6, 18, tzinfo=UTC))
    monkeypatch.setattr(observability.metrics, "add_metric", add)
    run = handlers.fetch_billing_rates.__wrapped__.__wrapped__  # type: ignore[attr-defined]
    answer = run({}, None)
    assert counted == {"RatesFetched": 1, "RatesMissing": missing}
    assert (answer["newest"], [answer["key"]]) == (day, [*objects.content])
