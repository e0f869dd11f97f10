"""Which deployment to use, and the names of its resources.

Two environments are built in: `local`, the local cloud on this machine, and `aws`, the account
of your AWS credentials. A TOML file may list more, one table for each:

    [prod]
    region = "eu-central-1"      # else AWS_REGION, or your AWS configuration
    profile = "finance-prod"     # of your AWS configuration; else AWS_PROFILE
    name_prefix = "finops"       # as in Terraform; else FINOPS_NAME_PREFIX, or finops
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from finops.shared.errors import RejectedInput

LOCAL: Final = "local"
AWS: Final = "aws"
LOCAL_MANAGEMENT_ACCOUNT: Final = "111111111111"
LOCAL_REGION: Final = "us-east-1"
#: The port of LocalStack: https://docs.localstack.cloud/aws/capabilities/networking/
LOCAL_PORT: Final = 4566

_FILE: Final = "finops.toml"
_USER_FILE: Final = Path("finops", "environments.toml")
_SETTINGS: Final = ("region", "profile", "name_prefix")
_FUNCTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "budgets": (
        "publish-budget",
        "record-budget-result",
        "expire-pending-budget",
        "repair-budget-drift",
    ),
    "billing": (
        "load-billing-file",
        "plan-billing-chunks",
        "load-billing-chunk",
        "finish-billing-file",
        "fail-billing-file",
        "migrate-billing-database",
        "withdraw-billing-file",
    ),
    "invoices": (
        "receive-invoices",
        "extract-invoice",
        "finish-extraction",
        "validate-invoice",
        "review-invoice",
        "process-invoice",
        "notify-invoice",
        "fail-invoice",
    ),
    "reconciliation": ("reconcile-month",),
    "audit": ("append-audit-entries", "write-audit-head"),
}

#: The layers of functions that have more than `core`, as the modules give them.
_LAYERS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(_FUNCTIONS["billing"], ("core", "billing")),
    "fetch-billing-rates": ("core", "billing"),
    "load-billing-file": ("core", "billing", "duckdb"),
    "plan-billing-chunks": ("core", "billing", "duckdb"),
    **dict.fromkeys(_FUNCTIONS["invoices"], ("core", "invoices")),
    "extract-invoice": ("core", "invoices", "documents"),
    "finish-extraction": ("core", "invoices", "documents"),
    "reconcile-month": ("core", "reports", "duckdb"),
}

#: Functions that exist by setting only.
_OPTIONAL: Final = ("fetch-billing-rates", "notify-operators")


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The names of one deployment. Terraform derives them from the same prefix.

    Attributes:
        name: As `--env` takes it.
        prefix: Begins the name of each resource.
        endpoint_url: None on AWS.
        region: None for the one of the usual AWS settings (AWS_REGION, the profile's).
        profile: None for the usual credentials.
    """

    name: str
    prefix: str
    endpoint_url: str | None = None
    region: str | None = None
    profile: str | None = None

    @property
    def budgets_table(self) -> str:
        """The table that people edit."""
        return f"{self.prefix}-budgets"

    @property
    def budget_status_table(self) -> str:
        """The table with the result of each edit."""
        return f"{self.prefix}-budget-status"

    @property
    def drift_function(self) -> str:
        """The function that finds and repairs drift."""
        return f"{self.prefix}-repair-budget-drift"

    @property
    def budget_accounts_queue(self) -> str:
        """The queue of accounts that wait to be compared."""
        return f"{self.prefix}-budget-accounts"

    @property
    def billing_loader(self) -> str:
        """The function that loads billing files; its settings name the flow's resources."""
        return f"{self.prefix}-load-billing-file"

    @property
    def billing_withdrawer(self) -> str:
        """The function that takes billing files back, and moves them."""
        return f"{self.prefix}-withdraw-billing-file"

    @property
    def billing_queue(self) -> str:
        """The queue of S3 events."""
        return f"{self.prefix}-billing-files"

    @property
    def invoices_table(self) -> str:
        """The table of invoices."""
        return f"{self.prefix}-invoices"

    @property
    def vendors_table(self) -> str:
        """The vendor master."""
        return f"{self.prefix}-vendors"

    @property
    def invoice_intake(self) -> str:
        """The function that takes invoices in; its settings name the flow's resources."""
        return f"{self.prefix}-receive-invoices"

    @property
    def review_function(self) -> str:
        """The function that takes decisions about invoices."""
        return f"{self.prefix}-review-invoice"

    @property
    def audit_queue(self) -> str:
        """The queue of entries for the audit trail."""
        return f"{self.prefix}-audit-entries.fifo"

    @property
    def reconcile_function(self) -> str:
        """The function that reconciles a month; its settings name the flow's resources."""
        return f"{self.prefix}-reconcile-month"

    @property
    def flow_functions(self) -> Mapping[str, tuple[str, ...]]:
        """The functions of each flow in the management account."""
        return {
            flow: tuple(f"{self.prefix}-{name}" for name in names)
            for flow, names in _FUNCTIONS.items()
        }

    def layers_of(self, function: str) -> tuple[str, ...]:
        """The names of the layers without which a function's code cannot be imported."""
        return _LAYERS.get(function.removeprefix(f"{self.prefix}-"), ("core",))

    @property
    def how_to_deploy(self) -> str:
        """What a person does where something is not deployed."""
        if self.endpoint_url:
            return "run terraform apply, or `make up` in a clone of the repository"
        return "run terraform apply, or `make apply ENV=…` in a clone of the repository"

    def parts_of(self, flow: str) -> tuple[str, ...]:
        """The functions, tables and failure queues of a flow."""
        tables = {
            "budgets": (self.budgets_table, self.budget_status_table),
            "invoices": (self.invoices_table, self.vendors_table),
        }
        queues = (f"{name}-failures" for name in self.flow_functions[flow])
        further = (f"{self.prefix}-audit-entries-failures.fifo",) if flow == "audit" else ()
        return (*self.flow_functions[flow], *tables.get(flow, ()), *queues, *further)

    @property
    def management_functions(self) -> tuple[str, ...]:
        """Every function of the management account."""
        return tuple(name for names in self.flow_functions.values() for name in names)

    @property
    def optional_functions(self) -> tuple[str, ...]:
        """Functions of the management account that a deployment may do without."""
        return tuple(f"{self.prefix}-{name}" for name in _OPTIONAL)

    @property
    def failure_queues(self) -> tuple[str, ...]:
        """Queues whose messages each need a person to act."""
        return tuple(
            part
            for flow in self.flow_functions
            for part in self.parts_of(flow)
            if "-failures" in part
        )


def environment(name: str, variables: Mapping[str, str] = os.environ) -> Environment:
    """The deployment called `name`.

    Raises:
        RejectedInput: with code `unknown_environment` where no file names it, and
            `invalid_environments` where the file cannot be read.
    """
    if name in {LOCAL, AWS}:
        return named_environment(name, variables)
    file = environments_file(variables)
    known = _read(file) if file else {}
    if name not in known:
        raise _unknown(name, [LOCAL, AWS, *known], file)
    settings = known[name]
    return Environment(
        name=name,
        prefix=settings.get("name_prefix") or _prefix(variables),
        region=settings.get("region"),
        profile=settings.get("profile"),
    )


def named_environment(name: str, variables: Mapping[str, str] = os.environ) -> Environment:
    """The deployment that this process's variables describe, as in a container.

    Args:
        name: Its name; `local` is the local cloud.
        variables: FINOPS_NAME_PREFIX and, on the local cloud, where it answers.
    """
    prefix = _prefix(variables)
    if name != LOCAL:
        return Environment(name=name, prefix=prefix)
    return Environment(
        name=name, prefix=prefix, endpoint_url=local_endpoint(variables), region=LOCAL_REGION
    )


def local_endpoint(variables: Mapping[str, str]) -> str:
    """The URL of the local cloud.

    The first of AWS_ENDPOINT_URL, LOCALSTACK_HOST (`host` or `host:port`), FINOPS_PORT on this
    machine, and port 4566 on this machine.
    """
    if url := variables.get("AWS_ENDPOINT_URL"):
        return url
    if named := variables.get("LOCALSTACK_HOST"):
        host, _, port = named.partition(":")
        return f"http://{host or 'localhost'}:{port or LOCAL_PORT}"
    return f"http://127.0.0.1:{variables.get('FINOPS_PORT') or LOCAL_PORT}"


def environments_file(variables: Mapping[str, str] = os.environ) -> Path | None:
    """The file that lists environments, if there is one.

    The first of the file that FINOPS_ENVIRONMENTS names, `finops.toml` in this folder or the
    nearest one above, and `~/.config/finops/environments.toml` (or below XDG_CONFIG_HOME).
    """
    if named := variables.get("FINOPS_ENVIRONMENTS"):
        return Path(named)
    folder = Path.cwd()
    configuration = variables.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    places = [one / _FILE for one in (folder, *folder.parents)]
    return next((one for one in [*places, configuration / _USER_FILE] if one.is_file()), None)


def _prefix(variables: Mapping[str, str]) -> str:
    return variables.get("FINOPS_NAME_PREFIX") or "finops"


def _read(file: Path) -> Mapping[str, Mapping[str, str]]:
    import tomllib

    try:
        found: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _invalid(file, str(error)) from error
    for name, settings in found.items():
        if name in {LOCAL, AWS}:
            raise _invalid(file, f"{name} is built in: choose another name")
        if not isinstance(settings, dict):
            raise _invalid(file, f"{name} is not a table: write [environment] above it")
        for key, value in settings.items():
            if key not in _SETTINGS:
                raise _invalid(
                    file, f"[{name}] has no setting {key}: it takes {', '.join(_SETTINGS)}"
                )
            if not isinstance(value, str):
                raise _invalid(file, f"{key} of [{name}] is not text: put it in quotation marks")
    return found


def _invalid(file: Path, reason: str) -> RejectedInput:
    return RejectedInput(
        f"the environments in {file} cannot be read: {reason}",
        code="invalid_environments",
        step="",
    )


def _unknown(name: str, known: list[str], file: Path | None) -> RejectedInput:
    close = get_close_matches(name, known, n=1)
    return RejectedInput(
        f"there is no environment {name!r}",
        code="unknown_environment",
        value=name,
        step="",
        remedy=(
            f"Did you mean {close[0]}?"
            if close
            else f"It is one of {', '.join(known)}, or add a table [{name}] to {file or _FILE}"
        ),
    )
