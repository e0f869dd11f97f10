"""Announces a report by topic, mail and webhook, each once for each revision."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from finops.reconciliation.ports import Stored
from finops.reconciliation.report import Report
from finops.shared.errors import FinOpsError, TransientFailure
from finops.shared.observability import logger


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """`Announcer` over channels that are set.

    Attributes:
        marks: Files that record what was announced, by revision and channel.
        link: A URL of a report's location that opens without an account.
        channels: By name; each gets the report and the link.
    """

    marks: Marks
    link: Callable[[str], str]
    channels: Mapping[str, Callable[[Report, str], None]] = field(default_factory=dict)

    def announce(self, report: Report, stored: Stored) -> None:
        """Send the report to every channel that has not had this revision.

        Raises:
            TransientFailure: a channel failed. The others were served; the next run tries it again.
        """
        failed = []
        where = stored.locations.get("html") or next(iter(stored.locations.values()), "")
        for name, tell in self.channels.items():
            mark = f"reports/{report.month}/revision-{report.revision}-told-{name}"
            if mark in self.marks.names(mark):
                continue
            try:
                tell(report, self.link(where))
            except FinOpsError as error:
                logger.exception("report was not announced", extra={"channel": name})
                failed.append(f"{name}: {error}")
            else:
                self.marks.create(mark, b"")
        if failed:
            raise TransientFailure(
                f"the report of {report.month} is stored, but was not sent to everyone: "
                + "; ".join(failed),
                code="not_announced",
                step="announce_report",
            )


class Marks(Protocol):
    """Files of the report bucket."""

    def names(self, prefix: str) -> Iterable[str]:
        """The names that begin so."""

    def create(self, name: str, content: bytes) -> bool:
        """Write a file unless there is one."""
