"""The key that signs heads."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final

from botocore.exceptions import ClientError

from finops.shared.aws import aws_errors

_SIGNING_ALGORITHM: Final = "ECDSA_SHA_256"


class KmsSigner:
    """`Signer` by an asymmetric KMS key of the curve P-256."""

    def __init__(self, kms: Any, key_arn: str) -> None:
        self._kms = kms
        self._key = key_arn

    @property
    def key(self) -> str:
        return self._key

    def sign(self, message: bytes) -> str:
        with aws_errors("sign_head"):
            answer = self._kms.sign(**self._request(message))
        return base64.b64encode(answer["Signature"]).decode()

    def verify(self, message: bytes, signature: str) -> bool:
        try:
            given = base64.b64decode(signature, validate=True)
        except ValueError:
            return False
        try:
            with aws_errors("verify_head", remedy="Allow kms:Verify on the signing key"):
                answer = self._kms.verify(**self._request(message), Signature=given)
        except Exception as error:
            said = error.__cause__
            if isinstance(said, ClientError) and (
                said.response["Error"]["Code"] == "KMSInvalidSignatureException"
            ):
                return False
            raise
        return bool(answer["SignatureValid"])

    def _request(self, message: bytes) -> dict[str, Any]:
        return {
            "KeyId": self._key,
            "Message": hashlib.sha256(message).digest(),
            "MessageType": "DIGEST",
            "SigningAlgorithm": _SIGNING_ALGORITHM,
        }
