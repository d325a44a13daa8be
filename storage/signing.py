"""Presigned URLs: AWS Signature Version 4 in the query string, by the SDK's own signer.

The signer is used without a client: a client resolves the endpoint anew for each URL, which takes three times as long.
"""

from collections.abc import Mapping
from urllib.parse import quote

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from storage.config import StoreConfig
from storage.layout import PlannedPart

LONGEST_EXPIRY_S = 7 * 24 * 3600
"""The limit of Signature Version 4."""


class UrlSigner:
    """Signs requests to one object, valid for `expires_seconds` from signing: 1 second to 7 days (else ValueError).

    It makes no call, and takes about 0.2 ms for each URL. URLs are for whoever holds them: never log one.
    """

    def __init__(self, config: StoreConfig, bucket: str, key: str, expires_seconds: int) -> None:
        if not 1 <= expires_seconds <= LONGEST_EXPIRY_S:
            raise ValueError(f"a presigned URL lives between 1 and {LONGEST_EXPIRY_S} seconds")
        self._auth = S3SigV4QueryAuth(
            Credentials(config.access_key, config.secret_key), "s3", config.region, expires_seconds
        )
        self._address = f"{config.signing_endpoint}/{quote(bucket)}/{quote(key)}"

    def get(self, parameters: Mapping[str, str]) -> str:
        """A URL to read the object; `parameters` are signed along (`response-content-type` and its like)."""
        return self._signed(AWSRequest("GET", self._address, params=dict(parameters)))

    def put_part(self, upload_id: str, part: PlannedPart) -> str:
        """A URL for one part, good for a body of exactly its length."""
        query = {"partNumber": str(part.number), "uploadId": upload_id}
        headers = {"content-length": str(part.size_bytes)}
        return self._signed(AWSRequest("PUT", self._address, headers=headers, params=query))

    def _signed(self, request: AWSRequest) -> str:
        self._auth.add_auth(request)
        return str(request.url)
