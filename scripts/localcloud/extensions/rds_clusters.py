"""An Aurora cluster keeps its log exports and the time after which it pauses.

AWS: "DBCluster" https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DBCluster.html and
"ServerlessV2ScalingConfiguration"
https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ServerlessV2ScalingConfiguration.html
MiniStack forgets both, so Terraform would set them at every plan.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

from ministack.services import rds

from localcloud.extensions._patch import Response, wrap

_PAUSE = "SecondsUntilAutoPause"
_NONE = "<EnabledCloudwatchLogsExports/>"


def _scaling(original: Callable[[Any], dict[str, Any] | None], params: Any) -> Any:
    found = original(params)
    pause = rds._p(params, f"ServerlessV2ScalingConfiguration.{_PAUSE}")
    return {**(found or {}), _PAUSE: int(pause)} if pause else found


def _scaling_xml(original: Callable[[Any], str], cluster: dict[str, Any]) -> str:
    pause = (cluster.get("ServerlessV2ScalingConfiguration") or {}).get(_PAUSE)
    text = original(cluster)
    end = "</ServerlessV2ScalingConfiguration>"
    return text.replace(end, f"<{_PAUSE}>{pause}</{_PAUSE}>{end}") if pause else text


def _cluster_xml(original: Callable[[Any], str], cluster: dict[str, Any]) -> str:
    text = original(cluster)
    exports = cluster.get("EnabledCloudwatchLogsExports") or []
    members = "".join(f"<member>{escape(one)}</member>" for one in exports)
    filled = f"<EnabledCloudwatchLogsExports>{members}</EnabledCloudwatchLogsExports>"
    if _NONE in text:
        return text.replace(_NONE, filled, 1)
    return text if "<EnabledCloudwatchLogsExports>" in text else text + filled


def _create(original: Callable[[Any], Response], params: Any) -> Response:
    response = original(params)
    if response[0] == 200:
        cluster = rds._clusters[rds._p(params, "DBClusterIdentifier")]
        cluster["EnabledCloudwatchLogsExports"] = _members(params, "EnableCloudwatchLogsExports")
    return response


def _modify(original: Callable[[Any], Response], params: Any) -> Response:
    response = original(params)
    if response[0] == 200:
        cluster = rds._clusters[rds._p(params, "DBClusterIdentifier")]
        kind = "CloudwatchLogsExportConfiguration"
        on = _members(params, f"{kind}.EnableLogTypes")
        off = _members(params, f"{kind}.DisableLogTypes")
        kept = set(cluster.get("EnabledCloudwatchLogsExports") or []) - set(off)
        cluster["EnabledCloudwatchLogsExports"] = sorted(kept | set(on))
    return response


def _members(params: Any, name: str) -> list[str]:
    found: list[str] = []
    while value := rds._p(params, f"{name}.member.{len(found) + 1}"):
        found.append(value)
    return found


def install() -> None:
    """Keep what MiniStack forgets of a cluster."""
    wrap(rds, "_serverlessv2_from_params", _scaling)
    wrap(rds, "_serverlessv2_xml", _scaling_xml)
    wrap(rds, "_cluster_xml", _cluster_xml)
    wrap(rds, "_create_db_cluster_impl", _create)
    wrap(rds, "_modify_db_cluster_impl", _modify)
