"""Run Terraform on a root module for the local cloud, the same way for the demo and the tests.

As a command it plans, applies or destroys `environments/local`, without a question and with the
state under the local folder:

    python -m localcloud.terraform apply local

`validate` checks every folder of `environments/`. `scripts/deploy.sh` deploys to AWS.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localcloud.address import endpoint_url
from localcloud.settings import REPOSITORY, LocalCloudError, Settings
from localcloud.shared_provider import shared_provider

ENVIRONMENTS = REPOSITORY / "environments"
MODULES = REPOSITORY / "modules"

#: Most of an apply is spent waiting for queues: far more than Terraform's ten run side by side.
PARALLELISM = 100

#: Names where the state of a root with `backend "http" {}` is.
ADDRESS_OF_STATE = "TF_HTTP_ADDRESS"

_PROVIDER = Path("registry.terraform.io", "hashicorp", "aws")

#: Nothing of the accounts that people have set up counts for the local cloud.
_NO_ACCOUNT = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


class TerraformError(Exception):
    """Terraform refused or failed.

    Attributes:
        command: What was run, as "apply".
        log: The file with all that it said.
    """

    def __init__(self, command: str, reason: str, log: Path) -> None:
        super().__init__(f"terraform {command} failed (log: {log})\n{reason}".rstrip())
        self.command = command
        self.log = log


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an apply or destroy has come.

    Attributes:
        done: Resources created, changed or destroyed so far.
        total: Resources to create, change or destroy.
        resource: Address of the one just finished; empty at the start.
    """

    done: int
    total: int
    resource: str = ""


ProgressCallback = Callable[[Progress], None]


def provider_mirror(environ: Mapping[str, str], parent: Path = Path("/opt")) -> Path | None:
    """Find an unpacked or packed mirror of the AWS provider that Terraform would not find itself.

    Terraform looks into its implied mirrors, as ~/.terraform.d/plugins, without being told
    (https://developer.hashicorp.com/terraform/cli/config/config-file#implied-local-mirrors).

    Raises:
        ValueError: `FINOPS_TF_MIRROR` names a folder that holds no AWS provider.
    """
    if named := environ.get("FINOPS_TF_MIRROR"):
        if not (Path(named) / _PROVIDER).is_dir():
            raise ValueError(f"FINOPS_TF_MIRROR={named} holds no folder {_PROVIDER.as_posix()}")
        return Path(named).resolve()
    found = (path for path in sorted(parent.glob("*")) if (path / _PROVIDER).is_dir())
    return next(found, None)


def terraform_environment(folder: Path, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for Terraform, with a CLI configuration written where one helps.

    A `TF_CLI_CONFIG_FILE` that exists is the user's choice and stays; one that does not exist is
    dropped, because Terraform would only complain of it.

    Args:
        folder: Where `terraform.rc` is written when a mirror is found.
        environ: The environment to start from; the process's own by default.
    """
    environment = dict(os.environ if environ is None else environ)
    environment |= {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
    environment.setdefault("GOGC", "400")  # a plan is a fifth quicker with less garbage collection
    chosen = environment.get("TF_CLI_CONFIG_FILE", "")
    if chosen and Path(chosen).is_file() and "FINOPS_TF_MIRROR" not in environment:
        return environment
    environment.pop("TF_CLI_CONFIG_FILE", None)
    if mirror := provider_mirror(environment):
        folder.mkdir(parents=True, exist_ok=True)
        configuration = folder / "terraform.rc"
        configuration.write_text(_mirror_configuration(mirror))
        environment["TF_CLI_CONFIG_FILE"] = str(configuration.absolute())
    return environment


def _mirror_configuration(mirror: Path) -> str:
    return f"""\
provider_installation {{
  filesystem_mirror {{
    path    = {json.dumps(str(mirror))}
    include = ["registry.terraform.io/hashicorp/aws"]
  }}
  direct {{
    exclude = ["registry.terraform.io/hashicorp/aws"]
  }}
}}
"""


@dataclass(slots=True, kw_only=True)
class Terraform:
    """A root module with its own state and data folder, so that two of the same root never meet.

    Attributes:
        root: The root module; it must have `backend "local" {}`, or `backend "http" {}` and the
            address in the environment.
        folder: Where state, plugins and log are kept.
        variables: Input variables; strings as they are, anything else as JSON.
        environ: Environment variables on top of the process's own, of which none of AWS's counts.
    """

    root: Path
    folder: Path
    variables: Mapping[str, object] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        """The state file."""
        return self.folder / "terraform.tfstate"

    @property
    def log(self) -> Path:
        """The file to which every command appends what it says."""
        return self.folder / "terraform.log"

    def init(self) -> None:
        """Install the provider and choose the state file; quick when that was done before."""
        place = [] if ADDRESS_OF_STATE in self.environ else [f"-backend-config=path={self.state}"]
        self._run("init", "-input=false", "-reconfigure", *place)

    def validate(self) -> None:
        """Check the root and the modules it calls, without a backend."""
        self._run("init", "-input=false", "-backend=false")
        self._run("validate")

    def plan(self) -> list[str]:
        """Return the addresses that an apply would create, change or destroy."""
        changes: list[str] = []
        for event in self._stream("plan", "-detailed-exitcode", allowed=(0, 2)):
            if event["type"] == "planned_change":
                changes.append(event["change"]["resource"]["addr"])
            elif event["type"] == "outputs":
                changes += [
                    f"output.{name}"
                    for name, output in event["outputs"].items()
                    if output.get("action", "noop") != "noop"
                ]
        if not changes:
            self._stamp.write_text(self._digest())
        return changes

    def planned_changes(self) -> list[dict[str, Any]]:
        """Return the changes of a plan with their reasons, as `terraform show -json` has them."""
        plan = self.folder / "plan"
        for _ in self._stream("plan", f"-out={plan}"):
            pass
        shown: dict[str, Any] = json.loads(self._run("show", "-json", str(plan)))
        return list(shown.get("resource_changes", []))

    def apply(self, on_progress: ProgressCallback | None = None) -> int:
        """Bring the resources to what the root says, and return how many that touched."""
        return self._change("apply", on_progress)

    def is_applied(self) -> bool:
        """Whether all that a plan reads is as it was when an apply or a plan left nothing to do.

        A plan that finds nothing takes 20 seconds, most of them to start the provider.
        """
        return self._stamp.exists() and self._stamp.read_text() == self._digest()

    def destroy(self, on_progress: ProgressCallback | None = None) -> int:
        """Remove every resource, and return how many there were."""
        return self._change("destroy", on_progress)

    def output(self) -> dict[str, Any]:
        """Return the outputs of the last apply by name."""
        outputs = json.loads(self._run("output", "-json", f"-state={self.state}"))
        return {name: output["value"] for name, output in outputs.items()}

    def _change(self, command: str, on_progress: ProgressCallback | None) -> int:
        report = on_progress or (lambda _: None)
        done = total = 0
        arguments = ("-auto-approve", f"-parallelism={PARALLELISM}")
        for event in self._stream(command, *arguments):
            if event["type"] == "change_summary" and event["changes"]["operation"] == "plan":
                total = sum(event["changes"][kind] for kind in ("add", "change", "remove"))
                report(Progress(done=0, total=total))
            elif event["type"] == "apply_complete" and event["hook"]["action"] != "read":
                done += 1
                report(Progress(done=done, total=total, resource=event["hook"]["resource"]["addr"]))
        self._stamp.write_text(self._digest())
        return done

    @property
    def _stamp(self) -> Path:
        return self.folder / "applied.sha256"

    def _digest(self) -> str:
        """SHA-256 of what decides the next plan: code, variables, endpoint, packages and state."""
        named = (Path(str(value)) for value in self.variables.values())
        files = [
            *sorted(path for kind in ("*.tf", "*.yaml") for path in self.root.glob(kind)),
            *sorted(path for path in MODULES.rglob("*") if path.is_file()),
            *(path for path in named if path.is_absolute() and path.is_file()),
            self.state,
        ]
        given = [dict(self.variables), dict(self.environ)]
        digest = hashlib.sha256(json.dumps(given, sort_keys=True).encode())
        for path in files:
            if path.is_file():
                digest.update(str(path).encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()

    def _arguments(self) -> list[str]:
        text = {k: v if isinstance(v, str) else json.dumps(v) for k, v in self.variables.items()}
        return ["-input=false", *(f"-var={name}={value}" for name, value in text.items())]

    def _environment(self) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        environment = terraform_environment(
            self.folder, {**inherited, **_NO_ACCOUNT, **self.environ}
        )
        return environment | {"TF_DATA_DIR": str(self.folder / "data")}

    def _run(self, command: str, *arguments: str) -> str:
        self.folder.mkdir(parents=True, exist_ok=True)
        result = subprocess.run(
            ["terraform", command, "-no-color", *arguments],
            cwd=self.root,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        with self.log.open("a") as log:
            log.write(f"# terraform {command}\n{result.stderr}")
            if command not in {"output", "show"}:  # outputs and plans may be sensitive
                log.write(result.stdout)
        if result.returncode:
            raise TerraformError(command, result.stderr, self.log)
        return result.stdout

    def _stream(
        self, command: str, *arguments: str, allowed: tuple[int, ...] = (0,)
    ) -> Iterator[dict[str, Any]]:
        """Yield the events of Terraform's machine-readable output, and log them as text.

        The format: https://developer.hashicorp.com/terraform/internals/machine-readable-ui.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        complaints: list[str] = []
        process = subprocess.Popen(
            ["terraform", command, "-json", *self._arguments(), *arguments],
            cwd=self.root,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            with self.log.open("a") as log, process:
                log.write(f"# terraform {command}\n")
                for line in process.stdout or ():
                    event = _event(line)
                    log.write(event["@message"] + "\n")
                    log.flush()
                    if event["type"] == "text" or event["@level"] == "error":
                        complaints.append(_complaint(event))
                        log.write(complaints[-1] + "\n")
                    yield event
        except BaseException:
            # Interrupted: Terraform got the same signal, and saves its state before it ends.
            process.wait()
            raise
        if process.returncode not in allowed:
            raise TerraformError(command, "\n".join(complaints), self.log)


def _event(line: str) -> dict[str, Any]:
    try:
        event: dict[str, Any] = json.loads(line)
    except json.JSONDecodeError:
        return {"type": "text", "@level": "info", "@message": line.rstrip()}
    return event


def _complaint(event: Mapping[str, Any]) -> str:
    diagnostic = event.get("diagnostic")
    if not diagnostic:
        return str(event["@message"])
    where = diagnostic.get("address") or diagnostic.get("range", {}).get("filename", "")
    summary = f"{where}: {diagnostic['summary']}" if where else diagnostic["summary"]
    return f"{summary}\n{diagnostic.get('detail', '')}".rstrip()


def local_environment(
    settings: Settings,
    *,
    packages_file: Path = REPOSITORY / "build" / "local" / "packages.json",
    **variables: object,
) -> Terraform:
    """Return `environments/local` for the local cloud of `settings`, with its state beside it.

    Args:
        settings: Of a cloud that is up.
        packages_file: What `build_lambdas.py --target local` wrote.
        variables: Further input variables of the root.
    """
    return Terraform(
        root=ENVIRONMENTS / "local",
        folder=settings.local_dir.absolute() / "terraform" / "local",
        variables={"packages_file": str(packages_file), **variables},
        environ={"AWS_ENDPOINT_URL": endpoint_url(settings)},
    )


def _run_local(command: str) -> None:
    terraform = local_environment(Settings.from_environment())
    terraform.init()
    if command == "plan":
        print("\n".join(terraform.plan()) or "No changes.")
        return
    change = terraform.apply if command == "apply" else terraform.destroy
    count = change(lambda p: print(f"  {p.done:3}/{p.total} {p.resource}", file=sys.stderr))
    print(f"terraform {command}: {count} resources", file=sys.stderr)


def _validate(root: Path, folder: Path, environ: Mapping[str, str]) -> str:
    name = root.relative_to(ENVIRONMENTS)
    try:
        Terraform(root=root, folder=folder / name, environ=environ).validate()
    except TerraformError as error:
        return f"environments/{name}: {error}"
    return ""


def _validate_all() -> int:
    roots = sorted(path.parent for path in ENVIRONMENTS.rglob("versions.tf"))
    folder = Settings.from_environment().local_dir.absolute() / "terraform" / "validate"
    provider = folder / "provider"
    with (
        shared_provider(provider, terraform_environment(provider)) as environ,
        ThreadPoolExecutor(max_workers=2) as pool,
    ):
        found = pool.map(lambda root: _validate(root, folder, environ), roots)
        complaints = [complaint for complaint in found if complaint]
    print("\n".join(complaints) or f"valid: {len(roots)}")
    return 1 if complaints else 0


def main() -> int:
    """Run a command on `environments/local`, or validate every environment."""
    parser = argparse.ArgumentParser(prog="python -m localcloud.terraform")
    parser.add_argument("command", choices=("plan", "apply", "destroy", "validate"))
    parser.add_argument("environment", nargs="?", default="local", choices=("local",))
    given = parser.parse_args()
    if given.command == "validate":
        return _validate_all()
    try:
        _run_local(given.command)
    except (TerraformError, LocalCloudError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
