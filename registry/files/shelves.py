"""The buckets that artifacts go to, and the size of the largest."""

from dataclasses import dataclass

from db.codes import ArtifactKind


@dataclass(frozen=True)
class Shelves:
    """Where bytes are kept and how many of them one file may have."""

    models_bucket: str
    artifacts_bucket: str
    max_size_bytes: int

    def bucket_for(self, kind: ArtifactKind) -> str:
        """Model binaries have a bucket of their own, so that they can have another retention and encryption."""
        return self.models_bucket if kind in (ArtifactKind.MODEL, ArtifactKind.CHECKPOINT) else self.artifacts_bucket
