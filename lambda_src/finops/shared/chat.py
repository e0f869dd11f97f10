"""Messages in the forms that incoming webhooks of chat programs take."""

from __future__ import annotations

from typing import Any

#: Slack's limits: https://docs.slack.dev/reference/block-kit/blocks
_HEADER_CHARACTERS = 150
_SECTION_CHARACTERS = 3000


def slack_message(title: str, *sections: str) -> dict[str, Any]:
    """A message to an incoming webhook of Slack.

    https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks

    `verbatim`: names and addresses in the text do not become links and mentions.
    https://docs.slack.dev/reference/block-kit/composition-objects/text-object

    Args:
        title: Plain text.
        sections: In Slack's markup: escape what is not.
    """
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": title[:_HEADER_CHARACTERS]}}
    ]
    blocks += [
        {
            "type": "section",
            "text": {"type": "mrkdwn", "text": section[:_SECTION_CHARACTERS], "verbatim": True},
        }
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

    A TextBlock would read Markdown, so that a link in the text could be followed.
    https://learn.microsoft.com/en-us/adaptive-cards/create/textfeatures

    Args:
        title: Plain text.
        paragraphs: Plain text.
        link: A URL that a button opens.
        alarming: Whether the title is in the colour of warnings.
    """
    title_run = _text_run(title) | {
        "weight": "Bolder",
        "size": "Medium",
        "color": "Attention" if alarming else "Good",
    }
    runs = [title_run, *(_text_run(one) for one in paragraphs if one)]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [{"type": "RichTextBlock", "inlines": [run]} for run in runs],
        "actions": [{"type": "Action.OpenUrl", "title": "Open", "url": link}] if link else [],
    }
    return {
        "type": "message",
        "attachments": [
            {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
        ],
    }


def _text_run(text: str) -> dict[str, Any]:
    return {"type": "TextRun", "text": text}
