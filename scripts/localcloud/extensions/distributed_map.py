"""A Distributed Map in JSONata evaluates its reader's arguments and its output.

AWS: "ItemReader (Map)"
https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html and "Transforming
data with JSONata" https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
MiniStack takes the expressions for names of buckets and keys, and passes on all results.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.services import stepfunctions

from localcloud.extensions._patch import wrap


def _run(
    original: Callable[..., tuple[Any, Any]],
    state: dict[str, Any],
    raw_input: Any,
    effective: Any,
    iterator: Any,
    execution: Any,
    context: Any,
) -> tuple[Any, Any]:
    if stepfunctions._state_query_language(state, context) != "JSONata":
        return original(state, raw_input, effective, iterator, execution, context)
    evaluated = dict(state)
    if reader := state.get("ItemReader"):
        arguments = stepfunctions._apply_jsonata_template(
            reader.get("Arguments") or {}, raw_input, context
        )
        evaluated["ItemReader"] = {**reader, "Arguments": arguments}
    results, following = original(evaluated, raw_input, effective, iterator, execution, context)
    output = stepfunctions._apply_jsonata_output(
        state, raw_input, context, result=results, default=results
    )
    return output, following


def install() -> None:
    """Evaluate the reader's arguments and the output."""
    wrap(stepfunctions, "_run_distributed_map", _run)
