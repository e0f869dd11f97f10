"""The second engines of `make engines`: a real MySQL, and LocalStack's Step Functions.

MySQL is a `mysqld` of this machine (`FINOPS_MYSQLD` names another), else Debian's package
`mysql-server-core` of unstable, from the mirror that this machine's own apt uses, unpacked below
.local and started by its own loader: nothing is installed. LocalStack is a virtual environment of
its own, of Python 3.13 or newer (`FINOPS_LOCALSTACK_PYTHON`, else one on the path). What cannot be
had is skipped by name.

    python scripts/second_engines.py mysql [PYTEST ARGUMENT...]

runs pytest with MySQL in MariaDB's place: the contract of the billing statements, or what is named,
such as the flows of billing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
LOCAL: Final = ROOT / ".local"
MYSQL: Final = LOCAL / "mysql"
LOCALSTACK: Final = LOCAL / "localstack-venv"
LOCALSTACK_VERSION: Final = "4.14.0"

#: What the local cloud asks of MariaDB and MySQL has no more.
_UNKNOWN: Final = "--skip-ssl|--innodb-log-file-size=*|--auth-*|--skip-test-db|--skip-log-bin"
_NEEDED_ONLY: Final = tuple(
    f"--no-{one}"
    for one in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
)
_STATEMENTS: Final = (
    "tests/localcloud/contract/test_billing_statements.py",
    "tests/engines/test_mysql.py",
)


class Missing(Exception):
    """An engine cannot be had here; the text says which and why."""


def mysql() -> Path:
    """A folder with programs of MariaDB's names that run MySQL.

    Raises:
        Missing: There is no MySQL, and none can be fetched.
    """
    found = os.environ.get("FINOPS_MYSQLD") or shutil.which("mysqld")
    if found and "MySQL" in _said(found, "--version"):
        server, options = [found], []
    else:
        root = _debian_root()
        loader = root / "usr/lib64/ld-linux-x86-64.so.2"
        libraries = root / "usr/lib/x86_64-linux-gnu"
        server = [str(loader), "--library-path", str(libraries), str(root / "usr/sbin/mysqld")]
        share = root / "usr/share/mysql"
        options = [
            f"--lc-messages-dir={share}",
            f"--character-sets-dir={share}/charsets",
            f"--plugin-dir={root}/usr/lib/mysql/plugin",
        ]
    programs = MYSQL / "programs"
    programs.mkdir(parents=True, exist_ok=True)
    start = " ".join(map(repr, server))
    more = " ".join(map(repr, options))
    _script(
        programs / "mariadb-install-db",
        'for one in "$@"; do case $one in --datadir=*) data=$one ;; esac; done\n'
        f'exec {start} --no-defaults --initialize-insecure "$data" {more}',
    )
    _script(
        programs / "mariadbd",
        'options=()\nfor one in "$@"; do case $one in\n'
        f"  {_UNKNOWN}) ;;\n"
        "  --collation-server=*) options+=(--collation-server=utf8mb4_0900_ai_ci) ;;\n"
        '  *) options+=("$one") ;;\nesac; done\n'
        f'exec {start} "${{options[@]}}" {more} --skip-log-bin --mysqlx=OFF'
        " --secure-file-priv=NULL",
    )
    return programs


def _script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/bash\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""


def _debian_root() -> Path:
    """Debian's MySQL with all libraries, unpacked; fetched once."""
    root = MYSQL / "root"
    if root.is_dir():
        return root
    if os.uname().machine != "x86_64" or not shutil.which("dpkg-deb"):
        raise Missing("MySQL: no mysqld here, and Debian's needs Debian or Ubuntu on x86_64")
    mirror = _mirror()
    shutil.rmtree(MYSQL, ignore_errors=True)
    lists, debs, part = MYSQL / "lists", MYSQL / "debs", MYSQL / "root.part"
    for folder in (lists / "partial", debs, part):
        folder.mkdir(parents=True)
    (MYSQL / "status").touch()
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    source = f"deb [signed-by={keyring}] {mirror} sid main\n"
    (MYSQL / "sources.list").write_text(source, encoding="utf-8")
    configuration = MYSQL / "apt.conf"
    configuration.write_text(
        f'Dir::Etc::sourcelist "{MYSQL}/sources.list";\nDir::Etc::sourceparts "-";\n'
        f'Dir::State::lists "{lists}";\nDir::State::status "{MYSQL}/status";\n'
        f'Dir::Cache "{MYSQL}/cache";\nAcquire::Languages "none";\nAcquire::Retries "0";\n',
        encoding="utf-8",
    )
    apt = os.environ | {"APT_CONFIG": str(configuration)}
    updated = subprocess.run(["apt-get", "update"], env=apt, capture_output=True, check=False)
    listed = subprocess.run(
        ["apt-cache", "depends", "--recurse", *_NEEDED_ONLY, "mysql-server-core"],
        env=apt,
        capture_output=True,
        text=True,
        check=False,
    )
    names = [
        line
        for line in listed.stdout.splitlines()
        if line and not line.startswith((" ", "<", "perl", "libperl", "gcc"))
    ]
    fetched = subprocess.run(
        ["apt-get", "download", *names], env=apt, cwd=debs, capture_output=True, check=False
    )
    if updated.returncode or not names or fetched.returncode:
        raise Missing("MySQL: no mysqld here, and Debian's cannot be fetched")
    for deb in debs.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(deb), str(part)], check=True)
    shutil.rmtree(debs)
    part.rename(root)
    return root


def _mirror() -> str:
    """The mirror of Debian that apt on this machine uses."""
    wanted = ["Identifier: Packages", "Origin: Debian"]
    found = _said("apt-get", "indextargets", "--format", "$(REPO_URI)", *wanted).split()
    mirrors = [one for one in found if "security" not in one]
    if not mirrors:
        raise Missing("MySQL: no mysqld here, and apt has no mirror of Debian")
    return mirrors[0]


def localstack() -> Path:
    """The interpreter of an environment with LocalStack; made once.

    Raises:
        Missing: It cannot be installed.
    """
    python = LOCALSTACK / "bin" / "python"
    requirements = ROOT / "requirements" / "localstack.in"
    ready = LOCALSTACK / ".ready"
    is_current = ready.is_file() and ready.read_bytes() == requirements.read_bytes()
    if is_current and _is_new_enough(str(python)):
        return python
    named = [os.environ.get("FINOPS_LOCALSTACK_PYTHON"), sys.executable]
    found = [*named, *(shutil.which(f"python3.{minor}") for minor in range(20, 12, -1))]
    base = next((one for one in found if one and _is_new_enough(one)), None)
    if base is None:
        raise Missing(f"LocalStack {LOCALSTACK_VERSION}: no Python 3.13 or newer is here")
    shutil.rmtree(LOCALSTACK, ignore_errors=True)
    subprocess.run([base, "-m", "venv", str(LOCALSTACK)], check=True)
    install = [str(python), "-m", "pip", "install", "-qq", "--retries=0", "-r", str(requirements)]
    if subprocess.run(install, capture_output=True, check=False).returncode:
        raise Missing(f"LocalStack {LOCALSTACK_VERSION}: pip cannot install it here")
    ready.write_bytes(requirements.read_bytes())
    return python


def _is_new_enough(python: str) -> bool:
    """Whether LocalStack runs on it: pip installs it on older ones, too, and then it fails."""
    return bool(_said(python, "-c", "import sys; sys.version_info < (3, 13) or print('new')"))


def main(arguments: list[str]) -> int:
    """Run pytest on MySQL; 0 where that was skipped by name."""
    try:
        programs = mysql()
    except Missing as missing:
        print(f"skipped: {missing}")
        return 0
    print(_said(str(programs / "mariadbd"), "--version").strip(), flush=True)
    environment = os.environ | {
        "PATH": os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)]),
    }
    named = any((ROOT / one.partition("::")[0]).exists() for one in arguments)
    tests = arguments if named else [*arguments, *_STATEMENTS]
    command = [sys.executable, "-m", "pytest", "-m", "not benchmark", *tests]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    if sys.argv[1:2] != ["mysql"]:
        sys.exit("usage: python scripts/second_engines.py mysql [PYTEST ARGUMENT...]")
    sys.exit(main(sys.argv[2:]))
