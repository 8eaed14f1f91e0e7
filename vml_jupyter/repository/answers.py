"""What an S3 server, or the way to it, said no with, in words for people.

    obstore's error --<Code>SlowDown</Code>, Os { code: 111 }, ...--> StoreUnreachable or DiskFull, with a hint

Servers' texts are not repeated: they hold key ids, and are different for each.
"""

from __future__ import annotations

import re

from vml_jupyter.errors import DiskFull, StoreUnreachable

_CODE = re.compile(r"<Code>(\w{1,64})</Code>")
_STATUS = re.compile(r"status code: (\d{3})")

_KEYS = "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile in ~/.aws/credentials"
_LATER = "Try again later; what was stored so far is not stored again"

_CODES = {
    "InvalidAccessKeyId": ("the server does not know the access key", _KEYS),
    "SignatureDoesNotMatch": ("the secret key does not belong to the access key", _KEYS),
    "AccessDenied": (
        "the server refuses these keys",
        "Check that they may list, read, write and delete in the bucket, and the bucket's name",
    ),
    "ExpiredToken": ("the session token has expired", "Get new keys, then try again"),
    "InvalidToken": ("the session token is not valid", "Get new keys, or unset AWS_SESSION_TOKEN"),
    "RequestTimeTooSkewed": (
        "the clocks of this computer and of the server differ by more than 15 minutes",
        "Set this computer's clock, for instance with `timedatectl set-ntp true`",
    ),
    "NoSuchBucket": (
        "there is no such bucket",
        "Make the bucket first, or correct its name or the end point",
    ),
    "PermanentRedirect": ("the bucket is in another region", "Set AWS_REGION to the bucket's region"),
    "AuthorizationHeaderMalformed": (
        "the bucket is in another region",
        "Set AWS_REGION to the bucket's region",
    ),
    "SlowDown": ("the server is overloaded and asks to slow down", _LATER),
    "ServiceUnavailable": ("the server is overloaded or being mended", _LATER),
    "InternalError": ("the server has a fault of its own", _LATER),
}

_FULL = ("QuotaExceeded", "InsufficientCapacity", "XMinioStorageFull")

# What obstore prints of the chain of causes, the most telling first.
_CAUSES = (
    (
        "InvalidCertificate",
        "its certificate is not trusted",
        "Name your authority's certificates in AWS_CA_BUNDLE",
    ),
    ("InvalidContentType", "it does not speak https", "Write s3:http://..., if you trust the way to it"),
    ("169.254.169.254", "no keys for it are known", _KEYS),
    ("dns error", "there is no computer of that name", "Check the end point's name and the network"),
    ("ConnectionRefused", "nothing listens there", "Check the end point's host and port"),
    ("NetworkUnreachable", "there is no way to it", "Check the network"),
    ("HostUnreachable", "there is no way to it", "Check the network"),
    ("kind: Timeout", "it does not answer in time", "Check the network; " + _LATER.lower()),
    ("TimedOut", "it does not answer in time", "Check the network; " + _LATER.lower()),
    ("ConnectionReset", "the connection was lost, several times over", _LATER),
    ("kind: Interrupted", "the connection was lost, several times over", _LATER),
)

_BROKEN = (
    "kind: Interrupted",
    "kind: Request",
    "kind: Connect",
    "kind: Timeout",
    "kind: Body",
    "kind: Decode",
)


def code_of(error: BaseException) -> str:
    """Return the server's own code for what went wrong, empty where it gave none."""
    found = _CODE.search(str(error))
    return found.group(1) if found else ""


def is_broken_connection(error: BaseException) -> bool:
    """Tell whether an answer never came whole, so that asking again may help."""
    text = str(error)
    return not _STATUS.search(text) and any(sign in text for sign in _BROKEN)


def translate(error: BaseException, label: str) -> StoreUnreachable | DiskFull:
    """Return our error for one of obstore's."""
    code, text = code_of(error), str(error)
    if code in _FULL:
        return DiskFull(
            f"no room left in {label}: its quota is used up", "Have it raised, or free space there"
        )
    if code in _CODES:
        why, hint = _CODES[code]
        return StoreUnreachable(f"{label} cannot be used: {why}", hint)
    for sign, why, hint in _CAUSES:
        if sign in text:
            return StoreUnreachable(f"{label} cannot be reached: {why}", hint)
    status = _STATUS.search(text)
    said = code or (
        f"status {status.group(1)}" if status else text.splitlines()[0][:200] if text else "nothing"
    )
    if status and status.group(1) in ("429", "503"):
        return StoreUnreachable(f"{label} cannot be used: {_CODES['SlowDown'][0]}", _LATER)
    if status and status.group(1) == "403":
        return StoreUnreachable(
            f"{label} cannot be used: {_CODES['AccessDenied'][0]}", _CODES["AccessDenied"][1]
        )
    return StoreUnreachable(
        f"{label} does not answer as it should: {said}",
        "Check the network, the end point, the bucket's name, and the AWS_* variables",
    )
