"""The object store: presigned multipart uploads, downloads and verification over S3."""
