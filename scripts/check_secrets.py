"""No file of the repository holds a secret that its own form gives away.

    scripts/check_secrets.py [FILE...]

Keys and tokens are known by the prefixes that their issuers gave them. Each finding names the file,
the line and the kind, never the secret. What a document of its issuer shows as an example is none.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tracked import tracked_files

_KINDS: Final = {
    "AWS access key": rb"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}",
    "AWS secret key": rb"(?i:aws_secret_access_key|SecretAccessKey)"
    rb"[\"' ]{0,3}[:=][\"' ]{0,3}[A-Za-z0-9/+]{40}",
    "private key": rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----",
    "GitHub token": rb"(?:gh[oprsu]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{40,255})",
    "GitLab token": rb"glpat-[A-Za-z0-9_-]{20}",
    "Slack token": rb"xox[abeoprs]-[A-Za-z0-9-]{10,250}",
    "Slack webhook": rb"hooks\.slack\.com/services/T[A-Z0-9]{8,12}/B[A-Z0-9]{8,12}/[A-Za-z0-9]{24}",
    "Stripe key": rb"[rs]k_live_[A-Za-z0-9]{20,250}",
    "Google key": rb"AIza[A-Za-z0-9_-]{35}",
    "npm token": rb"npm_[A-Za-z0-9]{36}",
    "PyPI token": rb"pypi-AgE[A-Za-z0-9_-]{50,1000}",
    "SendGrid key": rb"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}",
    "OpenAI or Anthropic key": rb"sk-(?:ant-|proj-)[A-Za-z0-9_-]{20,250}",
    "Azure storage key": rb"AccountKey=[A-Za-z0-9/+]{86}==",
    "signed token": rb"eyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,4000}"
    rb"\.[A-Za-z0-9_-]{20,1000}",
}
_SECRET: Final = re.compile(
    b"(?<![A-Za-z0-9])(?:%s)" % b"|".join(b"(%s)" % one for one in _KINDS.values())
)


def secrets_in(content: bytes) -> Iterator[tuple[int, str]]:
    """The line and the kind of each secret."""
    kinds = list(_KINDS)
    for found in _SECRET.finditer(content):
        if b"EXAMPLE" not in found[0]:
            kind = kinds[(found.lastindex or 1) - 1]
            yield content.count(b"\n", 0, found.start()) + 1, kind


def main(names: list[str]) -> int:
    """Print what was found; 1 if there is anything."""
    listed = ("--cached", "--others", "--exclude-standard")
    complaints = [
        f"{path}:{line}: {kind}: take it out, and have its issuer revoke it"
        for path in map(Path, names or tracked_files(*listed))
        if path.is_file()
        for line, kind in secrets_in(path.read_bytes())
    ]
    print("\n".join(complaints), end="\n" if complaints else "")
    return bool(complaints)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
