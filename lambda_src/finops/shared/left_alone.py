"""Files that programs leave beside those that people mean: by their names they hold no data."""

from __future__ import annotations

import re
from typing import Final

#: What operating systems and editors make: of macOS (AppleDouble, .DS_Store), of Windows, locks of
#: Excel and LibreOffice.
_OF_SYSTEMS: Final = re.compile(
    r"\.ds_store|\._.*|thumbs\.db|ehthumbs\.db|desktop\.ini|\.directory|~\$.*|\.~lock\..*#"
    r"|\.(?:git)?keep|\.gitignore",
    re.IGNORECASE,
)
#: What Hadoop, Spark, Databricks and AWS's exports write beside the files of a table.
_OF_EXPORTS: Final = re.compile(
    r"_success|_committed_\w+|_started_\w+|_metadata|_common_metadata|.*_\$folder\$"
    r"|aws-programmatic-access-test-object",
    re.IGNORECASE,
)
_CHECKSUMS: Final = re.compile(
    r".+\.(?:crc|crc32c?|md5|sha1|sha256|sha512|sfv|sig|asc|checksums?)"
    r"|(?:md5|sha(?:1|256|512))sums?(?:\.txt)?|checksums?\.txt",
    re.IGNORECASE,
)
#: What browsers, copying programs and editors name files that they have not finished, or keep.
_UNFINISHED: Final = re.compile(
    r".+\.(?:crdownload|opdownload|download|part|partial|filepart|tmp|temp|gstmp|aria2|swp|swo|bak)"
    r"|.+~",
    re.IGNORECASE,
)
_FOLDERS: Final = frozenset({"__macosx", "_delta_log", "_temporary", "_spark_metadata"})


def why_left_alone(key: str) -> str:
    """What a file is by its name, where that is none that anybody means to drop; else empty.

    Args:
        key: The key of an object, or the path of a file in an archive.
    """
    *folders, name = key.split("/")
    if not name:
        return "a folder"
    if not _FOLDERS.isdisjoint(map(str.lower, folders)):
        return "a file of a program's own folder"
    if _CHECKSUMS.fullmatch(name) or name.lower().endswith(".crc"):
        return "a checksum"
    if _UNFINISHED.fullmatch(name):
        return "a file that a program has not finished, or its copy of another one"
    if _OF_SYSTEMS.fullmatch(name):
        return "a file of the operating system or an editor"
    return "a mark of a program that writes tables" if _OF_EXPORTS.fullmatch(name) else ""
