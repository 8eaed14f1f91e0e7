"""Secrets in addresses: URLs are logged, shown and kept, so none may hold a user or a password.

s3:https://KEY:SECRET@host/bucket    refused where it is given, and shown as s3:https://***@host/bucket
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

URL_FORMS = "Write s3://bucket/prefix or s3:https://host/bucket/prefix"
NO_SECRETS = "the logbook's URL must hold no user, password, or parameters"
SECRETS_HINT = (
    f"{URL_FORMS}; keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ~/.aws/credentials"
)

_NO_PORT = r"(?!\d*(?:/|$))"
_NO_IPV6 = r"(?!\[[^\]/@]+\](?::\d*)?(?:/|$))"  # which has colons of its own
# Up to an @ before the path; or, as secrets may have slashes in them, after a colon that no port follows.
_USER = re.compile(rf"(?:^s3:|//)(?=[^/@]*@|{_NO_IPV6}[^/@:]*:{_NO_PORT}[^@]*@)")
_PASSWORD = re.compile(rf"(?<=//){_NO_IPV6}[^/@\s:]*:{_NO_PORT}[^@\s]*@")
_PARAMETERS = re.compile(r"(?<=[?#]).*", re.DOTALL)
_HIDDEN = "***"


def has_secret(url: str) -> bool:
    """Tell whether the URL of a logbook holds a user, a password or, as a bucket's, parameters."""
    return masked(url) != url


def masked(url: str) -> str:
    """Return the URL of a logbook so that it may be shown."""
    if not url.startswith("s3:") and "://" not in url:
        return url  # a folder, which may be called anything
    found = _USER.search(url)
    if found:
        url = f"{url[: found.end()]}{_HIDDEN}@{url.rpartition('@')[2]}"
    return _PARAMETERS.sub(_HIDDEN, url, count=1) if url.startswith("s3:") else url


def masked_all(value: Any) -> Any:
    """Return the value of any setting without the passwords in its URLs; a user alone is none, as in ``ssh://me@host``."""
    if isinstance(value, str):
        return _PASSWORD.sub(f"{_HIDDEN}@", value)
    if isinstance(value, Mapping):
        return {name: masked_all(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [masked_all(each) for each in value]
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.replace(value, **masked_all(msgspec.structs.asdict(value)))
    return value
