"""Alarms on their way to a chat: what people read, and what happens where it cannot be posted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from finops.alarms import handlers
from finops.alarms.messages import Notice, slack, teams
from finops.shared.errors import TransientFailure
from finops.shared.observability import metrics
from tests.lambda_context import Context

#: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
ALARM: dict[str, Any] = {
    "AlarmName": "finops-budgets-not-applied",
    "AlarmDescription": "Budgets are not being applied: edits <wait> & fail.",
    "AWSAccountId": "111111111111",
    "NewStateValue": "ALARM",
    "NewStateReason": "finops-budgets-publish-delay transitioned to ALARM",
    "StateChangeTime": "2026-11-29T03:00:00.000+0000",
    "Region": "EU (Ireland)",
    "AlarmArn": "arn:aws:cloudwatch:eu-west-1:111111111111:alarm:finops-budgets-not-applied",
    "OldStateValue": "OK",
    "AlarmRule": 'ALARM("finops-budgets-publish-delay")',
}


def read(said: Mapping[str, Any] | str, subject: str = "") -> Notice:
    text = said if isinstance(said, str) else json.dumps(said)
    return Notice.read(text, subject=subject, region="eu-west-1")


def test_an_alarm_is_told_in_words_of_what_does_not_work() -> None:
    assert read(ALARM) == Notice(
        title="ALARM: finops-budgets-not-applied",
        meaning="Budgets are not being applied: edits <wait> & fail.",
        reason=ALARM["NewStateReason"],
        link="https://eu-west-1.console.aws.amazon.com/cloudwatch/home"
        "?region=eu-west-1#alarmsV2:alarm/finops-budgets-not-applied",
        alarming=True,
    )


def test_that_it_is_over_is_told_too() -> None:
    over = read(ALARM | {"NewStateValue": "OK", "AlarmDescription": None})
    assert (over.title, over.meaning, over.alarming) == (
        "Over: finops-budgets-not-applied",
        "",
        False,
    )


@pytest.mark.parametrize("words", ["plain words", "[1]", "null", '{"AlarmName": "x"}', "{"])
def test_other_words_of_the_topic_are_passed_on(words: str) -> None:
    assert read(words, "From a person") == Notice(
        title="From a person", reason=words, alarming=True
    )
    assert read(words).title == "A message for operators"


def test_slack_sees_no_markup_in_what_an_alarm_says() -> None:
    title, meaning, reason, link = (one["text"]["text"] for one in slack(read(ALARM))["blocks"])
    assert title == "ALARM: finops-budgets-not-applied"
    assert meaning == "*Budgets are not being applied: edits &lt;wait&gt; &amp; fail.*"
    assert reason == ALARM["NewStateReason"]
    assert link.startswith("<https://eu-west-1.console.aws.amazon.com/")
    assert len(slack(read("<!channel>"))["blocks"]) == 2
    assert "<!channel>" not in json.dumps(slack(read("<!channel>")))


def test_teams_sees_the_same() -> None:
    card = teams(read(ALARM))["attachments"][0]["content"]
    assert [run["text"] for one in card["body"] for run in one["inlines"]] == [
        "ALARM: finops-budgets-not-applied",
        ALARM["AlarmDescription"],
        ALARM["NewStateReason"],
    ]
    assert card["actions"][0]["url"].endswith("finops-budgets-not-applied")


class Posted:
    """A webhook that keeps what it gets, or refuses it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.documents: list[Mapping[str, Any]] = []

    def post(self, document: Mapping[str, Any]) -> None:
        if self.error:
            raise self.error
        self.documents.append(document)


@pytest.fixture
def notify(
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[[str, Posted], dict[str, Any]]]:
    def call(form: str, webhook: Posted) -> dict[str, Any]:
        monkeypatch.setenv("FORMAT", form)
        monkeypatch.setenv("AWS_REGION", "eu-west-1")
        monkeypatch.setattr(metrics, "namespace", "FinOps")
        monkeypatch.setattr(metrics, "service", "finops-notify-operators")
        monkeypatch.setattr(handlers, "_webhook", lambda: webhook)
        said = {"MessageId": "m-1", "Subject": None, "Message": json.dumps(ALARM)}
        return dict(handlers.notify_operators({"Records": [{"Sns": said}]}, Context()))

    yield call
    metrics.clear_metrics()


@pytest.mark.parametrize(("form", "key"), [("slack", "blocks"), ("teams", "attachments")])
def test_a_notification_is_posted_in_the_form_of_the_chat(
    notify: Callable[[str, Posted], dict[str, Any]], form: str, key: str
) -> None:
    webhook = Posted()
    assert notify(form, webhook) == {"posted": 1}
    (document,) = webhook.documents
    assert key in document


def test_what_cannot_be_posted_fails_so_that_lambda_tries_it_again(
    notify: Callable[[str, Posted], dict[str, Any]],
) -> None:
    error = TransientFailure("the webhook answered HTTP 503", code="webhook_refused", step="post")
    with pytest.raises(TransientFailure, match="503"):
        notify("slack", Posted(error))
