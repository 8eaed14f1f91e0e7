"""An S3 bucket by its URL: s3://bucket/prefix -> Place(end point, bucket, prefix) -> a store of obstore's.

    s3://bucket/prefix                     end point from AWS_ENDPOINT_URL, the profile, else Amazon's
    s3:https://host[:port]/bucket/prefix   the same with the end point, as restic writes it
    s3:host/bucket/prefix                  https

Secrets never stand in a URL: URLs are logged, shown and kept.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote, urlsplit

from obstore.exceptions import BaseError
from obstore.store import S3Store

from vml_jupyter.errors import Usage
from vml_jupyter.model.address import NO_SECRETS, SECRETS_HINT, URL_FORMS, has_secret
from vml_jupyter.repository import aws

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config

# A pack of 16 MiB needs 1.2 Mbit/s; who is silent for longer is not there.
_ANSWER_S = 120
_CONNECT_S = 10
_RETRIES = 5
_RETRY_S = 60


@dataclass(frozen=True)
class Place:
    """Where in which bucket; no ``endpoint`` is whatever the environment says."""

    bucket: str
    prefix: str
    endpoint: str | None = None


def parse_url(url: str) -> Place:
    """Take an ``s3:`` URL apart.

    Raises:
        Usage: It names no bucket, or has a secret in it; the secret is not repeated.
    """
    if has_secret(url):
        raise Usage(NO_SECRETS, SECRETS_HINT)
    rest, endpoint = url.removeprefix("s3:"), None
    if rest.startswith("//"):
        path = rest[2:]
    else:
        parts = urlsplit(rest if "://" in rest else f"https://{rest}")
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise Usage(f"{url!r} is no place for a logbook", URL_FORMS)
        endpoint, path = f"{parts.scheme}://{parts.netloc}", unquote(parts.path).lstrip("/")
    bucket, _, prefix = path.partition("/")
    if not bucket:
        raise Usage(f"{url!r} names no bucket", URL_FORMS)
    return Place(bucket, prefix.strip("/"), endpoint)


def open_bucket(place: Place, environ: Mapping[str, str] = os.environ) -> S3Store:
    """Return obstore's store; nothing is asked of the server yet.

    Raises:
        Usage: There are no keys, or what the environment or the files say cannot be used.
    """
    profile = aws.read_profile(environ)
    endpoint = place.endpoint or aws.endpoint_of(environ, profile)
    config = aws.client_config(environ, profile, on_amazon=endpoint is None)
    if endpoint:
        config["endpoint"] = endpoint
    if environ.get("AWS_ENDPOINT_URL_S3"):  # obstore would prefer it even to the URL's own
        config["aws_endpoint_url_s3"] = endpoint or ""
    options: ClientConfig = {
        "timeout": timedelta(seconds=_ANSWER_S),
        "connect_timeout": timedelta(seconds=_CONNECT_S),
        "allow_http": (endpoint or "").startswith("http://"),
    }
    certificates = aws.ca_bundle(environ, profile)
    if certificates and not options["allow_http"]:
        options["root_certificate"] = certificates
    try:
        return S3Store(
            place.bucket,
            prefix=place.prefix or None,
            config=cast("S3Config", config),
            client_options=options,
            retry_config={
                "max_retries": _RETRIES,
                "retry_timeout": timedelta(seconds=_RETRY_S),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=200),
                    "max_backoff": timedelta(seconds=10),
                },
            },
        )
    except (BaseError, ValueError) as error:
        raise Usage(
            f"the S3 bucket {place.bucket} cannot be used: {str(error).splitlines()[0]}",
            "Check the URL, the AWS_* variables and ~/.aws",
        ) from error
