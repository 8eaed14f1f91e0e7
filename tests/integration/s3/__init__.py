"""Logbooks in buckets of a real S3 server."""
