"""The ways in which an embedded service can fail to start, each with a stable code and a sentence saying what to do."""

from typing import ClassVar


class EmbeddedError(Exception):
    """Base of all failures of the embedded services.

    `code` is stable; the message is written for the person at the terminal.
    """

    code: ClassVar[str] = "EMBEDDED_ERROR"


class EmbeddedUnavailable(EmbeddedError):
    """The binaries are not installed, or this system cannot run them."""

    code = "EMBEDDED_UNAVAILABLE"


class DataFolderInUse(EmbeddedError):
    """Another process, or another start in this one, runs the service over the same data folder."""

    code = "DATA_FOLDER_IN_USE"


class DataFolderForeign(EmbeddedError):
    """The data folder was made by another user, so its files cannot be used by this one."""

    code = "DATA_FOLDER_FOREIGN"


class ServiceFailed(EmbeddedError):
    """The service was started but did not become ready. The message ends with the last lines of its log."""

    code = "EMBEDDED_SERVICE_FAILED"
