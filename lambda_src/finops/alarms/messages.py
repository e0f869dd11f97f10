"""What people read when an alarm of CloudWatch starts or ends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

from finops.shared.chat import escaped, slack_message, teams_message


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What CloudWatch says of an alarm that has changed its state, or other words from its topic.

    Attributes:
        title: What happened, in one line.
        meaning: The alarm's description: what does not work. Empty for other words.
        reason: Why the alarm changed, or the other words.
        link: Where the alarm is shown; empty for other words.
        alarming: Whether something begins not to work.
    """

    title: str
    meaning: str = ""
    reason: str
    link: str = ""
    alarming: bool

    @classmethod
    def read(cls, message: str, *, subject: str, region: str) -> Self:
        """Read the message of a topic's notification.

        https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html

        Args:
            message: JSON of an alarm, or any words: whoever may write to the topic may say them.
            subject: Of the notification; may be empty.
            region: Of the topic, such as `eu-west-1`. The message names it as people do.
        """
        said = _alarm(message)
        if said is None:
            return cls(title=subject or "A message for operators", reason=message, alarming=True)
        name, state = str(said["AlarmName"]), str(said["NewStateValue"])
        begins = {"ALARM": "ALARM", "OK": "Over", "INSUFFICIENT_DATA": "No data"}.get(state, state)
        return cls(
            title=f"{begins}: {name}",
            meaning=str(said.get("AlarmDescription") or ""),
            reason=str(said.get("NewStateReason") or ""),
            link=f"https://{region}.console.aws.amazon.com/cloudwatch/home"
            f"?region={region}#alarmsV2:alarm/{quote(name, safe='')}",
            alarming=state != "OK",
        )


def slack(notice: Notice) -> dict[str, Any]:
    """The notice for an incoming webhook of Slack, or of a program that takes its messages."""
    return slack_message(
        notice.title,
        f"*{escaped(notice.meaning)}*" if notice.meaning else "",
        escaped(notice.reason),
        f"<{notice.link}|Open the alarm>" if notice.link else "",
    )


def teams(notice: Notice) -> dict[str, Any]:
    """The notice for a webhook of Teams' Workflows."""
    return teams_message(
        notice.title, notice.meaning, notice.reason, link=notice.link, alarming=notice.alarming
    )


def _alarm(message: str) -> Mapping[str, Any] | None:
    try:
        said = json.loads(message)
    except ValueError:
        return None
    if isinstance(said, dict) and said.get("AlarmName") and said.get("NewStateValue"):
        return said
    return None
