"""The billing database on MySQL itself, in the place of the local cloud's MariaDB.

`make engines` runs this beside the contract of the billing statements, which loads files of any
order into the database and into a model (tests/localcloud/contract/test_billing_statements.py).
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from decimal import Decimal

import pytest

from finops.billing.adapters.secrets_manager import SecretsManagerLogins
from finops.billing.database.users import DatabaseUsers, Purpose
from finops.billing.domain import FileStatus
from finops.billing.schema_migrations import migrate
from finops.reconciliation.adapters.ledger import LedgerCosts
from finops.reconciliation.mapping import Ownership, TagRule
from finops.reconciliation.ports import ChargeQuery, Detail
from finops.shared.data_api import DataApi
from finops.shared.errors import ConfigurationError, TransientFailure
from finops.shared.periods import Month
from tests.billing.use_cases import MARCH, Flow, bills, tagged
from tests.conftest import CloudUnderTest
from tests.localcloud.contract.aws import MANAGEMENT, Account, unique
from tests.localcloud.contract.clusters import Cluster, make_cluster

pytestmark = [pytest.mark.engine, pytest.mark.needs("rds_data_api")]

TAGS = [{"team": "core"}, {"team": "Core"}, {"team": "ü"}, {'a"b': "x"}, {}]
RULES = tuple(
    TagRule(key=key, values=values, ownership=Ownership(business_unit="unit"))
    for key, values in (("team", ("core", "ü")), ('a"b', ("x",)))
)


@pytest.fixture(scope="module")
def cluster(local_cloud: CloudUnderTest) -> Cluster:
    return make_cluster(Account(MANAGEMENT, local_cloud.endpoint_url))


def behind(cluster: Cluster, secret_arn: str) -> DataApi:
    return DataApi(
        cluster.client,
        cluster_arn=cluster.arn,
        secret_arn=secret_arn,
        database=cluster.database,
    )


@pytest.fixture(scope="module")
def api(cluster: Cluster) -> DataApi:
    found = behind(cluster, cluster.secret)
    migrate(found)
    return found


def test_the_server_is_mysql_and_migrations_are_applied_once(api: DataApi) -> None:
    (said,) = api.execute("SELECT VERSION() AS version, @@version_comment AS comment").rows
    assert "MariaDB" not in said["version"] + said["comment"]
    assert migrate(api) == []


def test_the_loaders_user_logs_in_and_may_do_what_it_needs(cluster: Cluster, api: DataApi) -> None:
    secrets = cluster.account.client("secretsmanager")
    arns = {one: secrets.create_secret(Name=unique(one.value))["ARN"] for one in Purpose}
    users = DatabaseUsers(api, SecretsManagerLogins(secrets, arns))
    for _ in range(2):
        assert users.bring_up_to_date()["loader"] == "finops_loader_a"
    loader = behind(cluster, arns[Purpose.LOADER])
    assert loader.execute("SELECT COUNT(*) AS files FROM billing_files").rows[0]["files"] >= 0
    with pytest.raises(ConfigurationError, match="denied"):
        loader.execute("DROP TABLE billing_files")
    wrong = json.dumps({"username": "finops_loader_a", "password": "A" * 40})
    stranger = secrets.create_secret(Name=unique("wrong"), SecretString=wrong)["ARN"]
    with pytest.raises(ConfigurationError, match="Access denied"):
        behind(cluster, stranger).execute("SELECT 1")


def test_the_ledger_answers_what_was_loaded(api: DataApi) -> None:
    from tests.localcloud.contract.test_billing_statements import Database

    flow = Flow(store=Database(api, api, api))
    rows = [
        (f"{number}.{number:02d}", MARCH, json.dumps(tags, ensure_ascii=False))
        for number, tags in enumerate(TAGS * 3, 1)
    ]
    body = tagged(*rows)
    assert flow.load(flow.objects.put("billing/a/f.csv", body)).status is FileStatus.LOADED
    more = bills(("a", "10.000001"), ("b", "3"))
    assert flow.load(flow.objects.put("billing/b/b.csv", more)).status is FileStatus.LOADED

    march, ledger = Month.of(date(2026, 3, 1)), LedgerCosts(api)
    total = sum((Decimal(cost) for cost, _, _ in rows), Decimal("13.000001"))
    assert sum(one.amount for one in ledger.control_totals(march)) == total
    expected: Counter[int] = Counter()
    for cost, _, tags in rows:
        tag = json.loads(tags)
        rule = 1 if tag.get("team") in {"core", "ü"} else 2 if 'a"b' in tag else 0
        expected[rule] += Decimal(cost)  # type: ignore[assignment]
    expected[0] += Decimal("13.000001")  # type: ignore[assignment]
    for detail in (Detail.MONTHS, Detail.ACCOUNT_SERVICE_DAYS):
        query = ChargeQuery(first=march.first, end=march.end, detail=detail, tag_rules=RULES)
        found: Counter[int] = Counter()
        for charge in ledger.charges(query):
            found[charge.tag_rule] += charge.billed  # type: ignore[assignment]
        assert found == expected
    assert ledger.known_until(march, date(2026, 4, 20)) > march.first


def test_a_row_that_another_transaction_holds_is_a_failure_to_try_again(api: DataApi) -> None:
    api.execute("CREATE TABLE held (id INT PRIMARY KEY)")
    api.execute("INSERT INTO held VALUES (1)")
    with api.transaction() as first, api.transaction() as second:
        api.execute("UPDATE held SET id = 1 WHERE id = 1", transaction=first)
        api.execute("SELECT id FROM held WHERE id = 1 FOR UPDATE", transaction=first)
        with pytest.raises(TransientFailure) as caught:
            api.execute("SELECT id FROM held WHERE id = 1 FOR UPDATE NOWAIT", transaction=second)
        assert caught.value.code == "busy"
