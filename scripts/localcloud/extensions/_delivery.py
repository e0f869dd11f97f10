"""Messages that AWS services send to queues, topics and functions on a user's behalf."""

from __future__ import annotations

import json
import logging
from typing import Any

from ministack.core.concurrency import esm_wake
from ministack.core.responses import new_uuid, request_scope
from ministack.services import lambda_svc, sns, sqs

logger = logging.getLogger("localcloud.delivery")


def send(target_arn: str, body: dict[str, Any], attributes: dict[str, Any] | None = None) -> bool:
    """Deliver ``body`` to a queue, topic or function; log and return False if it is not there.

    Args:
        target_arn: ARN of an SQS queue, an SNS topic or a Lambda function.
        body: The message, sent as JSON text.
        attributes: Message attributes; an ``int`` becomes a Number, the rest Strings.
    """
    _, _, service, region, account, name = target_arn.split(":", 5)
    try:
        with request_scope(account, region):
            if service == "sqs":
                url = sqs._queue_url_for_account(account, name)
                sqs._act_send_message(
                    {
                        "MessageBody": json.dumps(body),
                        "MessageAttributes": {
                            key: {
                                "DataType": "Number" if isinstance(value, int) else "String",
                                "StringValue": str(value),
                            }
                            for key, value in (attributes or {}).items()
                        },
                    },
                    url,
                )
                esm_wake.set()
            elif service == "sns":
                if target_arn not in sns._topics:
                    raise LookupError("no such topic")
                sns._fanout(target_arn, new_uuid(), json.dumps(body), "", "", {})
            elif service == "lambda":
                record, config, _ = lambda_svc._get_func_record_for_ref(target_arn)
                if not record or not config:
                    raise LookupError("no such function")
                lambda_svc.invoke_async_with_retry(
                    lambda_svc._execution_record_for_config(record, config), body
                )
            else:
                raise LookupError(f"{service} is not a destination here")
    except Exception as error:  # the emulator raises private classes; a lost message must show
        logger.error("could not deliver to %s: %s", target_arn, error)
        return False
    return True
