"""Messages to incoming webhooks: Slack's blocks, Teams' Adaptive Cards."""

from __future__ import annotations

from finops.shared.chat import escaped, slack_message, teams_message


def test_slacks_markup_is_escaped_in_what_is_shown_without_blocks() -> None:
    message = slack_message("a < b & c", "*bold*", "")
    assert message["text"] == "a &lt; b &amp; c"
    assert [one["text"]["text"] for one in message["blocks"]] == ["a < b & c", "*bold*"]
    assert escaped("<!channel>") == "&lt;!channel&gt;"


def test_slack_makes_no_link_of_an_address_in_the_text() -> None:
    *_, section = slack_message("t", "see www.evil.example")["blocks"]
    assert section["text"]["verbatim"] is True


def test_blocks_keep_to_slacks_limits() -> None:
    header, section = slack_message("t" * 200, "s" * 4000)["blocks"]
    assert (len(header["text"]["text"]), len(section["text"]["text"])) == (150, 3000)


def test_teams_gets_a_card_with_a_button() -> None:
    message = teams_message("It fails", "Why", "", link="https://example.com/a", alarming=True)
    (attachment,) = message["attachments"]
    assert message["type"] == "message"
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert {one["type"] for one in card["body"]} == {"RichTextBlock"}, "which reads no Markdown"
    title, why = [run for one in card["body"] for run in one["inlines"]]
    assert (title["text"], title["color"]) == ("It fails", "Attention")
    assert why == {"type": "TextRun", "text": "Why"}
    assert card["actions"] == [
        {"type": "Action.OpenUrl", "title": "Open", "url": "https://example.com/a"}
    ]
    assert teams_message("It works", alarming=False)["attachments"][0]["content"]["actions"] == []
