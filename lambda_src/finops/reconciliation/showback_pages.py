"""Writes the pages of owners and of tags' values: each is of itself, and may be mailed alone."""

from __future__ import annotations

from finops.reconciliation.attention import digits
from finops.reconciliation.html_report import month_title, page_template, state
from finops.reconciliation.report import Report, file_stem
from finops.reconciliation.showback import FOLDER


def write_pages(report: Report) -> dict[str, bytes]:
    """The pages by their names beside the report, UTF-8."""
    template = page_template("showback.html.j2")
    return {
        f"{FOLDER}/{one.page}": template.render(
            report=report,
            showback=showback,
            one=one,
            who=showback.named(one),
            title=month_title(report.month),
            state=state(report),
            stem=file_stem(report),
            currency=report.currency,
            digits=digits(report.currency),
            excluded=[line.category.lower() for line in report.categories if line.excluded],
        ).encode()
        for showback in report.showback
        for one in showback.statements
    }
