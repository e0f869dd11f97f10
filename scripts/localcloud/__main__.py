"""The command line of the local cloud: ``python -m localcloud up|down|status|run|check``."""

from __future__ import annotations

import signal

# An import may swallow KeyboardInterrupt. Until all are done nothing is to be cleared up.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from localcloud.keeper import Keeper
from localcloud.prerequisites import missing_for_cloud, missing_for_terraform, refuse
from localcloud.settings import LocalCloudError, Settings
from localcloud.supervisor import LocalCloud

_FAILED = 3  # as `finops`: an infrastructure failure


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _up(settings: Settings, _options: argparse.Namespace) -> int:
    cloud = LocalCloud(settings, detached=True).start(_say)
    _say(f"The local cloud is up: {cloud.endpoint_url}")
    return 0


def _down(settings: Settings, _options: argparse.Namespace) -> int:
    LocalCloud(settings).stop()
    _say("The local cloud is down.")
    return 0


def _status(settings: Settings, options: argparse.Namespace) -> int:
    status = LocalCloud(settings).status()
    if options.json:
        print(json.dumps(status.as_dict(), indent=2))
        return 0
    width = max(len(row.service) for row in status.services)
    for row in status.services:
        print(f"{row.service:<{width}}  {row.state:<4}  {row.detail}".rstrip())
    return 0


def _check(settings: Settings, _options: argparse.Namespace) -> int:
    refuse([*missing_for_cloud(settings), *missing_for_terraform()])
    return 0


def _run(settings: Settings, _options: argparse.Namespace) -> int:
    refuse(missing_for_cloud(settings))

    def report(message: dict[str, Any]) -> None:
        text = {
            "busy": f"A local cloud is already up in {settings.local_dir}.",
            "starting": f"Starting the {message.get('service')} ...",
            "ready": f"The local cloud is up: {message.get('endpoint_url')}   (Ctrl-C stops it)",
            "failed": message.get("error"),
        }
        _say(str(text[message["state"]]))

    return Keeper(settings, report).run() and _FAILED


def _keep(settings: Settings, options: argparse.Namespace) -> int:
    def report(message: dict[str, Any]) -> None:
        text = json.dumps(message)
        _say(text)
        with contextlib.suppress(BrokenPipeError):  # nobody listens once the cloud is up
            os.write(1, f"{text}\n".encode())

    return Keeper(settings, report, lifeline=options.lifeline).run()


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status is 0, 2 (usage) or 3 (failed)."""
    parser = argparse.ArgumentParser(prog="python -m localcloud", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(
        name: str, run: Callable[[Settings, argparse.Namespace], int], text: str
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        return added

    command("up", _up, "Start the cloud and leave it up.")
    command("down", _down, "Stop the cloud.")
    command("status", _status, "Show what runs.").add_argument("--json", action="store_true")
    command("run", _run, "Run the cloud in the foreground, until Ctrl-C.")
    command("check", _check, "Name what is missing on this machine.")
    command("keep", _keep, "Keep a cloud up for `up` and tests.").add_argument(
        "--lifeline", action="store_true", help="end when standard input ends"
    )
    options = parser.parse_args(arguments)
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return int(options.run(Settings.from_environment(), options))
    except LocalCloudError as error:
        _say(str(error))
        return _FAILED
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
