"""Alarms reach a chat: the module observability with a webhook, in an account of its own."""

from __future__ import annotations

import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud.endpoints import REGION
from localcloud.settings import REPOSITORY
from localcloud.terraform import Terraform
from tests.conftest import CloudUnderTest
from tests.flows.deployment import Deployment, eventually
from tests.flows.privileges import without

pytestmark = [
    pytest.mark.flow,
    pytest.mark.needs("service_permissions", "alarms", "lambda_workers"),
]

#: No other test deploys here.
ACCOUNT = "880000000001"
NOTIFIER = "finops-notify-operators"
LIGHT, IMPACT = "finops-budgets-publish-delay", "finops-budgets-not-applied"
ROOT = """
terraform {{
  required_providers {{
    aws = {{ source = "hashicorp/aws", version = ">= 5.100, < 7.0" }}
  }}
  backend "local" {{}}
}}

provider "aws" {{
  region                      = "{region}"
  access_key                  = "{account}"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}}

variable "webhook_url" {{ type = string }}
variable "packages" {{ type = any }}

resource "aws_cloudwatch_metric_alarm" "light" {{
  alarm_name          = "{light}"
  namespace           = "FinOps"
  metric_name         = "NobodyCounts"
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
}}

resource "aws_secretsmanager_secret" "chat" {{
  name                    = "finops/chat"
  recovery_window_in_days = 0
}}

resource "aws_secretsmanager_secret_version" "chat" {{
  secret_id     = aws_secretsmanager_secret.chat.id
  secret_string = jsonencode({{ url = var.webhook_url }})
}}

module "observability" {{
  source = "../modules/observability"

  account_id        = "{account}"
  region            = "{region}"
  packages          = var.packages
  function_settings = {{ tracing = false }}

  webhook = {{
    secret_arn        = aws_secretsmanager_secret.chat.arn
    private_addresses = true
  }}

  flows = {{
    budgets = {{
      functions = {{
        publish_budget        = "finops-publish-budget"
        record_budget_result  = "finops-record-budget-result"
        expire_pending_budget = "finops-expire-pending-budget"
        repair_budget_drift   = "finops-repair-budget-drift"
      }}
      impacts = {{
        not-applied = {{
          description = "Budgets are not being applied."
          alarm_names = [aws_cloudwatch_metric_alarm.light.alarm_name]
        }}
      }}
    }}
  }}
}}

output "failure_queue_url" {{ value = module.observability.failure_queue_urls["notify_operators"] }}
output "topic_arn" {{ value = module.observability.topic_arn }}
"""


class Chat(http.server.BaseHTTPRequestHandler):
    """An incoming webhook that keeps what it gets, and can be told to refuse it."""

    posted: list[dict[str, Any]]
    status: int

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append(json.loads(body))  # type: ignore[attr-defined]
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture(scope="module")
def chat() -> Iterator[Any]:
    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Chat)
    server.posted, server.status = [], 200
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def terraform(
    local_cloud: CloudUnderTest, chat: Any, tmp_path_factory: pytest.TempPathFactory
) -> Terraform:
    """The root, applied once."""
    folder = tmp_path_factory.mktemp("notifier")
    root = folder / "root"
    root.mkdir()
    # Of an absolute path Terraform takes the one folder, without the modules beside it.
    shutil.copytree(
        REPOSITORY / "modules", folder / "modules", ignore=shutil.ignore_patterns(".terraform*")
    )
    (root / "main.tf").write_text(
        ROOT.format(
            region=REGION,
            account=ACCOUNT,
            light=LIGHT,
        )
    )
    made = Terraform(
        root=root,
        folder=folder / "work",
        variables={
            "webhook_url": f"http://127.0.0.1:{chat.server_port}/",
            "packages": _packages(REPOSITORY / "build" / "local" / "packages.json"),
        },
        environ={"AWS_ENDPOINT_URL": local_cloud.endpoint_url},
    )
    made.init()
    made.apply()
    return made


def _packages(file: Path) -> dict[str, Any]:
    built = json.loads(file.read_text())
    core = built["layers"]["core"]
    return {
        "code": built["code"] | {"path": str(REPOSITORY / built["code"]["path"])},
        "layers": {"core": core | {"path": str(REPOSITORY / core["path"])}},
    }


@pytest.fixture(scope="module")
def deployed(local_cloud: CloudUnderTest, terraform: Terraform) -> Deployment:
    return Deployment(url=local_cloud.endpoint_url, outputs=terraform.output())


def light(d: Deployment, state: str) -> None:
    """Switch the single alarm that the impact is made of."""
    d.client("cloudwatch", ACCOUNT).set_alarm_state(
        AlarmName=LIGHT, StateValue=state, StateReason=f"the test says {state}"
    )


def titles(chat: Any) -> list[str]:
    return [one["text"] for one in chat.posted]


def notification() -> dict[str, Any]:
    """What SNS hands to the function."""
    said = {"AlarmName": IMPACT, "NewStateValue": "ALARM", "AlarmDescription": "It fails."}
    return {"Records": [{"Sns": {"MessageId": "m", "Subject": "s", "Message": json.dumps(said)}}]}


def call(d: Deployment) -> dict[str, Any]:
    """The function's answer; where it failed, with errorMessage."""
    answer = d.client("lambda", ACCOUNT).invoke(
        FunctionName=NOTIFIER, Payload=json.dumps(notification()).encode()
    )
    return dict(json.loads(answer["Payload"].read()))


def test_an_impact_is_posted_when_it_starts_and_when_it_is_over(
    deployed: Deployment, chat: Any
) -> None:
    light(deployed, "ALARM")
    eventually(lambda: f"ALARM: {IMPACT}" in titles(chat), every=0.5, what="the alarm in the chat")
    (message,) = [one for one in chat.posted if one["text"] == f"ALARM: {IMPACT}"]
    assert message["blocks"][1]["text"]["text"] == "*Budgets are not being applied.*"
    light(deployed, "OK")
    eventually(lambda: f"Over: {IMPACT}" in titles(chat), every=0.5, what="its end in the chat")
    assert deployed.messages(deployed.outputs["failure_queue_url"], ACCOUNT) == []


def test_a_chat_that_refuses_fails_the_call_and_others_are_told(
    deployed: Deployment, chat: Any
) -> None:
    chat.status = 503
    try:
        assert "503" in call(deployed)["errorMessage"]
    finally:
        chat.status = 200
    assert call(deployed) == {"posted": 1}
    not_posted = "finops-observability-not-posted"
    alarms = deployed.client("cloudwatch", ACCOUNT)
    eventually(
        lambda: (
            alarms.describe_alarms(AlarmNames=[not_posted], AlarmTypes=["CompositeAlarm"])[
                "CompositeAlarms"
            ][0]["StateValue"]
            == "ALARM"
        ),
        every=0.5,
        what=not_posted,
    )


def test_the_one_statement_of_the_notifier_is_needed(deployed: Deployment, chat: Any) -> None:
    with without(deployed, ACCOUNT, NOTIFIER, "ReadWebhook"):
        assert "AccessDenied" in call(deployed)["errorMessage"]
    assert call(deployed) == {"posted": 1}


def test_a_second_plan_is_empty(deployed: Deployment, terraform: Terraform) -> None:
    assert terraform.plan() == []
