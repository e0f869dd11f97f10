"""Checkov with its own arguments; it makes its parser of attribute paths once, not for each path.

    .local/checkov-venv/bin/python scripts/check_security.py --config-file .checkov.yaml

Exits with 1 where Checkov finds something.
"""

from __future__ import annotations

import sys
from typing import Any

import ply.yacc

_new_parser = ply.yacc.yacc
_parsers: dict[tuple[type[object], str], Any] = {}


def _parser(*, module: object, start: str, **_: object) -> Any:
    known = type(module), start
    if known not in _parsers:
        _parsers[known] = _new_parser(module=module, start=start, write_tables=False, debug=False)
    return _parsers[known]


if __name__ == "__main__":
    ply.yacc.yacc = _parser
    from checkov.main import Checkov

    sys.exit(Checkov().run())
