"""LocalStack with the reference JSONata in the place of its Java port, which it would download.

Run by LocalStack's own interpreter; the argument is the folder of npm packages.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from typing import Any

from localstack.runtime import main as runtime
from localstack.services.stepfunctions.asl.jsonata import jsonata

_NODE = """
const jsonata = require('jsonata');
const lines = require('readline').createInterface({ input: process.stdin });
const answer = async (line) => {
  try {
    const value = await jsonata(JSON.parse(line)).evaluate(undefined);
    return value === undefined ? { error: 'the expression returned nothing' } : { value };
  } catch (error) { return { error: String(error.message || error) }; }
};
lines.on('line', async (line) => process.stdout.write(JSON.stringify(await answer(line)) + '\\n'));
"""


class Reference:
    """One Node process that evaluates one expression after the other."""

    def __init__(self, packages: str) -> None:
        self._lock = threading.Lock()
        self._node = subprocess.Popen(
            ["node", "-e", _NODE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"NODE_PATH": packages},
        )

    def __call__(self, expression: str) -> Any:
        """The value; AWS, too, refuses an expression that returns nothing."""
        assert self._node.stdin
        assert self._node.stdout
        with self._lock:
            self._node.stdin.write(json.dumps(expression) + "\n")
            self._node.stdin.flush()
            answer = json.loads(self._node.stdout.readline())
        if "error" in answer:
            raise jsonata.JSONataException("UNKNOWN", answer["error"])
        return answer["value"]


jsonata._eval_jsonata = Reference(sys.argv[1])
sys.argv = sys.argv[:1]
runtime.main()
