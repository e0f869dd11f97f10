"""The billing flow's resources, as the loader function is configured."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from finops.billing.adapters.copies import copy_version, newest_version, version_of
from finops.billing.adapters.s3 import S3Objects
from finops.billing.database.rates import AuroraRates
from finops.billing.database.reconversions import AuroraReconversions
from finops.billing.database.store import AuroraBillingStore
from finops.billing.database.totals import Dimension, totals
from finops.billing.database.withdrawals import AuroraWithdrawals
from finops.billing.domain import FileEntry, SourceObject
from finops.billing.moving import Mover
from finops.billing.reconversion import Reconverter
from finops.billing.settings import Settings
from finops.billing.withdrawal import Held, Withdrawer
from finops.deployment.billing_formats import DatasetFormats
from finops.deployment.clients import Aws
from finops.deployment.environment import Environment
from finops.deployment.functions import invoke
from finops.deployment.recorder import CommandRecorder
from finops.deployment.uploads import LARGEST_FORM, upload_form
from finops.shared.audit import AuditRecorder
from finops.shared.aws import aws_errors, with_stored_settings
from finops.shared.data_api import DataApi
from finops.shared.errors import RejectedInput
from finops.shared.rates import ExchangeRates, Rate
from finops.shared.spreadsheets import unguard


class BillingDeployment:
    """Bucket, database and queue of the billing flow."""

    def __init__(self, environment: Environment, aws: Aws | None = None) -> None:
        self._aws = aws or Aws(environment)
        self._environment = environment

    @property
    def caller(self) -> str:
        """Whose credentials these are, as the audit trail names them."""
        return self._aws.caller

    @cached_property
    def variables(self) -> Mapping[str, str]:
        """The loader's environment variables."""
        return self._aws.function_variables(self._environment.billing_loader, module="billing")

    @cached_property
    def settings(self) -> Settings:
        """How the deployment loads files."""
        return Settings.from_variables(with_stored_settings(self.variables, self._aws.client("s3")))

    @cached_property
    def store(self) -> AuroraBillingStore:
        """The ledger, to read."""
        return AuroraBillingStore(self.database)

    @cached_property
    def rates(self) -> ExchangeRates:
        """The rates that convert bills."""
        return ExchangeRates(self.settings.rates, AuroraRates(self.database).rates)

    def newest_rates(self) -> list[Rate]:
        """The newest rate of each currency that is loaded."""
        return AuroraRates(self.database).newest()

    @property
    def reconverter(self) -> Reconverter:
        """Converts loaded bills again."""
        return Reconverter(
            store=AuroraReconversions(self._loader_database),
            rates=self.rates,
            audit=self.audit,
            clock=lambda: datetime.now(UTC),
        )

    @property
    def withdrawer(self) -> Withdrawer:
        """Takes files back."""
        return Withdrawer(
            store=AuroraWithdrawals(self._loader_database),
            audit=self.audit,
            clock=lambda: datetime.now(UTC),
        )

    @property
    def mover(self) -> Mover:
        """Moves files to other datasets."""
        return Mover(
            withdrawer=self.withdrawer, files=self.store.files, newest=self.newest, copy=self.copy
        )

    def held(self, entry: FileEntry) -> Held:
        """What of a file counts: what taking it back would remove."""
        return AuroraWithdrawals(self.database).held(entry)

    def take_back(
        self, entry: FileEntry, *, requested_by: str, reason: str, dataset: str = ""
    ) -> dict[str, Any]:
        """Have the function take a file's rows back, and with a dataset move the file there.

        It needs no right but to call this function.

        Returns:
            What `withdraw_billing_file` answers.

        Raises:
            RejectedInput: The function refused it.
        """
        answer = invoke(
            self._aws.client("lambda"),
            self._environment.billing_withdrawer,
            {
                "load_id": entry.load_id,
                "requested_by": requested_by,
                "reason": reason,
                "dataset": dataset,
            },
        )
        if refused := answer.get("refused"):
            raise RejectedInput(
                refused["message"], code=refused["code"], remedy=refused["remedy"], step="withdraw"
            )
        return dict(answer)

    def copy(self, entry: FileEntry, key: str, before: SourceObject | None) -> str:
        """Copy a file to another key. Returns the copy's id in the ledger; see `copy_version`."""
        return copy_version(self._aws.client("s3"), entry.source, key, before)

    def totals(self, by: Dimension, month: str = "") -> list[dict[str, Any]]:
        """What the loaded bills add up to; see `finops.billing.database.totals`."""
        return totals(self.database, by, month)

    @cached_property
    def formats(self) -> DatasetFormats:
        """The formats of datasets in the bucket."""
        return self.formats_recorded_by(self.audit)

    def formats_recorded_by(self, audit: AuditRecorder) -> DatasetFormats:
        """The formats of datasets, whose changes this trail takes."""
        return DatasetFormats(
            self._aws.client("s3"), self.variables["BUCKET"], self.settings, audit
        )

    @cached_property
    def audit(self) -> CommandRecorder:
        """Records in the flow's audit trail."""
        return CommandRecorder(self._aws.client("sqs"), self.variables.get("AUDIT_QUEUE_URL", ""))

    @cached_property
    def database(self) -> DataApi:
        """The database, as the user who may read."""
        return self._database("DATABASE_READER_SECRET_ARN")

    @cached_property
    def _loader_database(self) -> DataApi:
        return self._database("DATABASE_SECRET_ARN")

    def _database(self, secret: str) -> DataApi:
        return DataApi(
            self._aws.client("rds-data"),
            cluster_arn=self.variables["DATABASE_ARN"],
            secret_arn=self.variables[secret],
            database=self.variables["DATABASE_NAME"],
        )

    @cached_property
    def objects(self) -> S3Objects:
        """The bucket."""
        return S3Objects(self._aws.client("s3"), self.variables["BUCKET"])

    def upload(
        self,
        path: Path,
        key: str,
        sent: Callable[[int], None],
        said: Mapping[str, str] | None = None,
    ) -> str:
        """Upload a file into the bucket. Returns its id in the ledger.

        Args:
            path: The file.
            key: The key of the object.
            sent: Called with the number of bytes of each part that was sent.
            said: Further metadata, such as what it is to other files.
        """
        s3, bucket = self._aws.client("s3"), self.variables["BUCKET"]
        with aws_errors("upload_file"):
            s3.upload_file(
                str(path),
                bucket,
                key,
                Callback=sent,
                ExtraArgs={"Metadata": {"submitted-by": self.caller, **(said or {})}},
            )
        return self.source(key).file_id

    def upload_form(
        self, prefix: str, owner: str, said: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """A form by which a browser uploads files into the bucket in this person's name.

        Args:
            prefix: The beginning of their keys, such as `billing/acme/`.
            owner: Who drops them.
            said: Further metadata, such as what they are to other files.
        """
        return upload_form(
            self._aws.client("s3"),
            self.variables["BUCKET"],
            prefix,
            largest=LARGEST_FORM,
            metadata={"submitted-by": owner, **(said or {})},
        )

    def source(self, key: str, version_id: str = "") -> SourceObject:
        """A version of an object in the bucket; by default the newest."""
        return version_of(self._aws.client("s3"), self.variables["BUCKET"], key, version_id)

    def newest(self, key: str) -> SourceObject | None:
        """The newest version of an object in the bucket; None where there is none."""
        return newest_version(self._aws.client("s3"), self.variables["BUCKET"], key)

    def deliver_again(self, entry: FileEntry) -> None:
        """Send the file's S3 event to the queue again."""
        event_time, _, sequencer = entry.source.order.partition("/")
        record = {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "eventTime": event_time or datetime.now(UTC).isoformat(),
            "userIdentity": {"principalId": entry.source.principal},
            "s3": {
                "bucket": {"name": entry.source.bucket},
                "object": {
                    "key": quote_plus(entry.source.key, safe="/"),
                    "size": entry.source.size,
                    "eTag": entry.source.etag,
                    "versionId": entry.source.version_id,
                    "sequencer": sequencer.lstrip("0"),
                },
            },
        }
        sqs = self._aws.client("sqs")
        with aws_errors("send_event"):
            url = sqs.get_queue_url(QueueName=self._environment.billing_queue)["QueueUrl"]
            sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"Records": [record]}))

    def quarantined(self, entry: FileEntry) -> Iterator[dict[str, Any]]:
        """The quarantined rows of a file, in the order of its parts."""
        key = entry.quarantine_uri.split("/", 3)[-1]
        keys = self.objects.keys(key) if key.endswith("/") else [key] if key else []
        for one in keys:
            text = b"".join(self.objects.read(one)).decode("utf-8-sig")
            for row in csv.DictReader(io.StringIO(text, newline="")):
                yield {
                    "line": int(row["line"]),
                    "reason": row["reason"],
                    "field": row["field"],
                    "value": unguard(row["value"]),
                    "message": unguard(row["message"]),
                    "raw": unguard(row["raw"]),
                }

    def quarantined_csv(self, entry: FileEntry) -> bytes:
        """The quarantined rows of a file below its header, as CSV to correct and load again.

        Above the header stand the lines without which the dataset's format would not read it. Rows
        that are loaded, without a cell, are not among them.

        Raises:
            RejectedInput: The file is gone, or has no header.
        """
        # What reads files, for which commands that only read the ledger do not wait.
        from finops.billing.cells import TAGS_LEFT_OUT
        from finops.billing.mapping import lines_above, open_bills
        from finops.billing.record_loader import OTHER_SHEET

        table = open_bills(self.objects.open(entry.source), entry.format)
        text = io.StringIO(newline="")
        writer = csv.writer(text, delimiter=table.format.delimiter)
        writer.writerows([*lines_above(entry.format), table.header])
        for row in sorted(self.quarantined(entry), key=lambda one: int(one["line"])):
            if row["reason"] not in (TAGS_LEFT_OUT, OTHER_SHEET):
                text.write(f"{row['raw']}\r\n")
        return text.getvalue().encode("utf-8-sig")
