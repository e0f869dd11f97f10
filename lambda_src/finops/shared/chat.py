"""Messages in the forms that incoming webhooks of chat programs take."""

from __future__ import annotations

from typing import Any

#: Slack's limits: https://docs.slack.dev/reference/block-kit/blocks
_HEADER_CHARACTERS = 150
_SECTION_CHARACTERS = 3000


def slack_message(title: str, *sections: str) -> dict[str, Any]:
    """A message to an incoming webhook of Slack.

    https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks

    Args:
        title: Plain text.
        sections: In Slack's markup: escape what is not.
    """
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": title[:_HEADER_CHARACTERS]}}
    ]
    blocks += [
        {"type": "section", "text": {"type": "mrkdwn", "text": section[:_SECTION_CHARACTERS]}}
        for section in sections
        if section
    ]
    return {"text": escaped(title), "blocks": blocks}


def escaped(text: str) -> str:
    """Slack reads these three as markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def teams_message(title: str, *paragraphs: str, link: str = "", alarming: bool) -> dict[str, Any]:
    """A message to a webhook of Teams' Workflows: an Adaptive Card.

    https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using

    Args:
        title: Plain text.
        paragraphs: Plain text.
        link: A URL that a button opens.
        alarming: Whether the title is in the colour of warnings.
    """
    body = [
        {
            "type": "TextBlock",
            "text": title,
            "weight": "Bolder",
            "size": "Medium",
            "color": "Attention" if alarming else "Good",
            "wrap": True,
        },
        *({"type": "TextBlock", "text": one, "wrap": True} for one in paragraphs if one),
    ]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "actions": [{"type": "Action.OpenUrl", "title": "Open", "url": link}] if link else [],
    }
    return {
        "type": "message",
        "attachments": [
            {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
        ],
    }
