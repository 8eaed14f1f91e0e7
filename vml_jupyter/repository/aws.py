"""What AWS's own tools know of a user: keys, region and end point, from the environment and the two usual files.

    AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION     first
    ~/.aws/credentials   [profile]            aws_access_key_id, aws_secret_access_key, aws_session_token
    ~/.aws/config        [profile profile]    the same, region, endpoint_url, ca_bundle

The profile is AWS_PROFILE or ``default``; AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE name other files.
obstore reads the variables only; its provider for the files needs boto3 (31 MB, 0.15 s to import, for two
small files) and Python 3.11. Ways to get keys that need more than reading (single sign-on, roles,
``credential_process``) are left to AWS's tools, which can export what they get.
Source: AWS CLI User Guide, "Configuration and credential file settings".
"""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from pathlib import Path

from vml_jupyter.errors import Usage

_KEYS = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
}
_ELSEWHERE = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_SKIP_SIGNATURE",
)
_INDIRECT = ("credential_process", "sso_session", "sso_start_url", "role_arn", "web_identity_token_file")

Profile = Mapping[str, str]


def read_profile(environ: Mapping[str, str]) -> Profile:
    """Return what the files say of the user's profile; nothing where there are none.

    Raises:
        Usage: A file cannot be read, or does not have the profile that AWS_PROFILE names.
    """
    named = environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE")
    name = named or "default"
    home = Path(environ.get("HOME") or "~").expanduser() / ".aws"
    configured = _section(
        _file(environ, "AWS_CONFIG_FILE", home / "config"), name if name == "default" else f"profile {name}"
    )
    secret = _section(_file(environ, "AWS_SHARED_CREDENTIALS_FILE", home / "credentials"), name)
    if named and configured is None and secret is None:
        raise Usage(
            f"AWS_PROFILE names {named}, but neither {home / 'config'} nor {home / 'credentials'} has it",
            "Correct the name, or add the profile with `aws configure --profile`",
        )
    return {**(configured or {}), **(secret or {})}


def endpoint_of(environ: Mapping[str, str], profile: Profile) -> str | None:
    """Return the end point where the URL names none; None is Amazon's own."""
    said = (environ.get(name) for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"))
    return next(filter(None, said), None) or profile.get("endpoint_url")


def client_config(environ: Mapping[str, str], profile: Profile, on_amazon: bool) -> dict[str, str]:
    """Return keys and region, as obstore names them; a variable goes before a file.

    Raises:
        Usage: There are no keys anywhere.
    """
    variables = {ours: environ[name.upper()] for name, ours in _KEYS.items() if environ.get(name.upper())}
    told = {ours: profile[name] for name, ours in _KEYS.items() if name in profile}
    if "access_key_id" in variables:
        told = variables
        if "secret_access_key" not in told:
            raise Usage(
                "AWS_ACCESS_KEY_ID is set, but its secret key is not",
                "Set AWS_SECRET_ACCESS_KEY, or unset both",
            )
    elif not {"access_key_id", "secret_access_key"} <= told.keys():
        _require_other_source(environ, profile, on_amazon)
        told = {}
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or profile.get("region")
    return {**told, "region": region} if region else told


def ca_bundle(environ: Mapping[str, str], profile: Profile) -> str | None:
    """Return the certificates that the user trusts besides the system's own, as PEM.

    Raises:
        Usage: The file cannot be read.
    """
    name = environ.get("AWS_CA_BUNDLE") or profile.get("ca_bundle")
    if not name:
        return None
    try:
        return Path(name).expanduser().read_text("ascii", errors="ignore")  # comments may be in any language
    except OSError as error:
        raise Usage(
            f"the certificates in {name} cannot be read: {error.strerror}", "Correct AWS_CA_BUNDLE"
        ) from error


def _require_other_source(environ: Mapping[str, str], profile: Profile, on_amazon: bool) -> None:
    """Refuse at once where only a virtual machine of Amazon's would get keys, but none is meant."""
    indirect = [key for key in _INDIRECT if key in profile]
    if any(environ.get(name) for name in _ELSEWHERE) or (on_amazon and not indirect):
        return
    if indirect:
        raise Usage(
            f"the AWS profile has no keys of its own, it gets them by {indirect[0]}",
            'Run `eval "$(aws configure export-credentials --format env)"`, then try again',
        )
    raise Usage(
        "no keys for the S3 server are known",
        "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or put them into ~/.aws/credentials",
    )


def _file(environ: Mapping[str, str], variable: str, usual: Path) -> Path:
    return Path(environ[variable]).expanduser() if environ.get(variable) else usual


def _section(file: Path, name: str) -> dict[str, str] | None:
    """Return one section of a file of AWS's; no part of the file is ever quoted in an error: secrets lie in it."""
    parser = configparser.RawConfigParser(default_section="", strict=False)
    try:
        parser.read_string(file.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Usage(f"{file} cannot be read: {error.strerror}", "Make it yours, or move it away") from error
    except (configparser.Error, UnicodeDecodeError):
        raise Usage(f"{file} is no file of AWS's form", "Mend it with `aws configure`") from None
    if not parser.has_section(name):
        return None
    return {key: value.strip() for key, value in parser.items(name) if value.strip()}
