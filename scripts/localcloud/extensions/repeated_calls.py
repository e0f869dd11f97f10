"""A call that Terraform's provider repeats gets the same answer as the first time.

AWS: "Retry behavior"
https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
On a busy machine the provider repeats about one call in six hundred although the emulator answered
it; why is not known. A repeated creation is then refused as a duplicate, and the apply fails. The
SDK gives every attempt of a call the same id, so that an answer can be given again. This is for
Terraform only: how functions handle a lost answer is tested.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from ministack import app

from localcloud.extensions._patch import wrap

Message = dict[str, Any]
_KEPT = 2_000
_CHANGES = {"POST", "PUT"}
_answers: OrderedDict[str, list[Message]] = OrderedDict()


async def _serve(
    original: Callable[..., Awaitable[None]],
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    headers = dict(scope.get("headers") or ())
    call = headers.get(b"amz-sdk-invocation-id", b"").decode()
    if scope.get("method") not in _CHANGES or b"HashiCorp" not in headers.get(b"user-agent", b""):
        await original(scope, receive, send)
        return
    first = b"attempt=1;" in headers.get(b"amz-sdk-request", b"")
    if not first and call in _answers:
        while (await receive()).get("more_body"):
            pass
        for message in _answers[call]:
            await send(message)
        return
    sent: list[Message] = []

    async def remember(message: Message) -> None:
        sent.append(message)
        await send(message)

    await original(scope, receive, remember)
    if sent and sent[0].get("status", 500) < 300:
        _answers[call] = sent
        if len(_answers) > _KEPT:
            _answers.popitem(last=False)


def install() -> None:
    """Remember what was answered."""
    wrap(app, "app", _serve)
