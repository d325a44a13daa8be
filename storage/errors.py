"""The failures of the object store: a stable `code` and a sentence saying what to do, never a URL or a secret."""

from typing import ClassVar


class StoreError(Exception):
    """Base of everything this package raises about the store; catch it to catch all of them."""

    code: ClassVar[str] = "STORE_ERROR"


class StoreUnavailable(StoreError):
    """The store was not reached, did not answer in time, failed (5xx), or did not accept our credentials or bucket.

    Nothing is known about the outcome of a call that failed so; every call of `ObjectStore` may be repeated.
    """

    code = "STORE_UNAVAILABLE"

    def __init__(self, operation: str, reason: str) -> None:
        self.operation = operation
        self.reason = reason
        super().__init__(f"The object store did not do {operation} ({reason}). Try again in a moment.")


class StoreRefused(StoreError):
    """The store answered, and said no for a reason that repeating will not change."""

    code = "STORE_REFUSED"

    def __init__(self, operation: str, reason: str) -> None:
        self.operation = operation
        self.reason = reason
        super().__init__(f"The object store refused {operation} ({reason}). Check that it supports this S3 call.")


class UploadGone(StoreError):
    """The store no longer knows the upload: it was completed, aborted, or expired.

    A caller that wanted to complete it asks `stat` next: the object is there when an earlier completion had worked.
    """

    code = "UPLOAD_GONE"

    def __init__(self) -> None:
        super().__init__("The object store does not know this upload any more. Start a new one.")


class PartsRefused(StoreError):
    """The store would not join the parts: one is missing, too small, or not the one it holds.

    Some stores drop the whole upload with this answer, so the next call may raise `UploadGone`.
    """

    code = "PARTS_REFUSED"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The object store would not join the parts ({reason}). Upload the missing parts again.")


class ObjectMissing(StoreError):
    """There is no object under the key."""

    code = "OBJECT_MISSING"

    def __init__(self) -> None:
        super().__init__("The object store has no such object. Upload the file again.")


class ObjectTooLarge(StoreError):
    """The size is beyond what one S3 object may hold."""

    code = "OBJECT_TOO_LARGE"

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"{size_bytes} bytes is over the limit of {limit_bytes} for one file. Split it into several.")
