"""https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutQueryDefinition.html."""

from __future__ import annotations

import pytest

from tests.localcloud.contract.aws import Account, unique

pytestmark = pytest.mark.needs("saved_queries")


def test_a_saved_query_is_found_by_its_name_changed_and_deleted(management: Account) -> None:
    logs, name = management.client("logs"), unique("contract")
    made = logs.put_query_definition(
        name=f"{name}/one", queryString="fields @message", logGroupNames=["/aws/lambda/a"]
    )["queryDefinitionId"]
    logs.put_query_definition(name=unique("other"), queryString="fields @message")

    (found,) = logs.describe_query_definitions(queryDefinitionNamePrefix=name)["queryDefinitions"]
    assert (found["queryDefinitionId"], found["logGroupNames"]) == (made, ["/aws/lambda/a"])

    changed = {"queryDefinitionId": made, "name": f"{name}/one", "queryString": "limit 1"}
    assert logs.put_query_definition(**changed)["queryDefinitionId"] == made
    (found,) = logs.describe_query_definitions(queryDefinitionNamePrefix=name)["queryDefinitions"]
    assert found["queryString"] == "limit 1"
    assert not found.get("logGroupNames")

    assert logs.delete_query_definition(queryDefinitionId=made)["success"]
    assert not logs.describe_query_definitions(queryDefinitionNamePrefix=name)["queryDefinitions"]
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.delete_query_definition(queryDefinitionId=made)
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.put_query_definition(**changed)
