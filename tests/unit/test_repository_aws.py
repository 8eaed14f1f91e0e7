"""What is read of AWS's files and variables, and what of it reaches the client; nothing here asks a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from vml_jupyter.errors import DiskFull, StoreUnreachable, Usage
from vml_jupyter.repository import answers, aws, local_folder, open_store
from vml_jupyter.repository.bucket import Place, open_bucket, parse_url

SECRET = "do-not-show-me"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A home with two profiles, and nothing in the variables."""
    folder = tmp_path / ".aws"
    folder.mkdir()
    (folder / "config").write_text(
        "[default]\nregion = here\n\n[profile cern]\nregion=there\nendpoint_url = https://s3.cern.ch\n"
        "s3 =\n  addressing_style = path\n\n[profile signed]\nsso_session = office\nregion = x\n"
    )
    (folder / "credentials").write_text(
        f"[default]\naws_access_key_id = AAA\naws_secret_access_key = {SECRET}\n"
        f"[cern]\naws_access_key_id = CCC\naws_secret_access_key = {SECRET}%(x)s\naws_session_token = {SECRET}\n"
    )
    return {"HOME": str(tmp_path)}


def config_of(environ: dict[str, str], url: str = "s3:https://host/bucket") -> dict[str, object]:
    return dict(open_bucket(parse_url(url), environ).config)


def test_the_default_profile(environ: dict[str, str]) -> None:
    config = config_of(environ)
    assert (config["access_key_id"], config["secret_access_key"], config["region"]) == ("AAA", SECRET, "here")


def test_a_named_profile_with_its_end_point(environ: dict[str, str]) -> None:
    config = config_of({**environ, "AWS_PROFILE": "cern"}, "s3://bucket/x")
    assert config["access_key_id"] == "CCC"
    assert config["secret_access_key"] == f"{SECRET}%(x)s"
    assert config["session_token"] == SECRET
    assert (config["endpoint"], config["region"]) == ("https://s3.cern.ch", "there")


def test_variables_go_before_files(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"AWS_ACCESS_KEY_ID": "EEE", "AWS_SECRET_ACCESS_KEY": "eee", "AWS_REGION": "yonder"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    config = config_of({**environ, **told})
    assert (config["access_key_id"], config["secret_access_key"], config["region"]) == (
        "EEE",
        "eee",
        "yonder",
    )


def test_the_end_point_of_the_url_goes_before_all(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        monkeypatch.setenv(name, "https://elsewhere")
        environ[name] = "https://elsewhere"
    assert "elsewhere" not in str(config_of(environ)).replace("'endpoint_url'", "")
    assert "https://elsewhere" in str(config_of(environ, "s3://bucket/x"))


def test_other_files(environ: dict[str, str], tmp_path: Path) -> None:
    other = tmp_path / "keys"
    other.write_text("[default]\naws_access_key_id = OOO\naws_secret_access_key = o\n")
    environ["AWS_SHARED_CREDENTIALS_FILE"] = str(other)
    assert config_of(environ)["access_key_id"] == "OOO"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"AWS_PROFILE": "nobody"}, "nobody"),
        ({"AWS_PROFILE": "signed"}, "sso_session"),
        ({"HOME": "/nonexistent"}, "no keys"),
        ({"AWS_ACCESS_KEY_ID": "A"}, "secret key"),
        ({"AWS_CA_BUNDLE": "/nonexistent.pem"}, "/nonexistent.pem"),
    ],
)
def test_what_cannot_be_used_is_said(environ: dict[str, str], changes: dict[str, str], words: str) -> None:
    with pytest.raises(Usage, match=words) as caught:
        config_of({**environ, **changes})
    assert caught.value.hint
    assert SECRET not in str(caught.value)


def test_a_file_of_another_form_is_not_quoted(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".aws" / "credentials").write_text(f"aws_secret_access_key {SECRET}\n")
    with pytest.raises(Usage) as caught:
        config_of(environ)
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__


def test_amazons_own_machines_need_no_keys(tmp_path: Path) -> None:
    assert aws.client_config({}, {}, on_amazon=True) == {}


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("s3://bucket", Place("bucket", "")),
        ("s3://bucket/a/b/", Place("bucket", "a/b")),
        ("s3:https://host:7480/bucket/a", Place("bucket", "a", "https://host:7480")),
        ("s3:http://127.0.0.1:1/bucket", Place("bucket", "", "http://127.0.0.1:1")),
        ("s3:s3.cern.ch/bucket/my%20work", Place("bucket", "my work", "https://s3.cern.ch")),
    ],
)
def test_urls(url: str, place: Place) -> None:
    assert parse_url(url) == place
    assert local_folder(url) is None


@pytest.mark.parametrize(
    "url",
    [
        f"s3:https://key:{SECRET}@host/bucket",
        f"s3://key:{SECRET}@bucket/x",
        f"s3:key:{SECRET}@host/bucket",
        f"s3:https://host/bucket/x?X-Amz-Signature={SECRET}",
        f"https://key:{SECRET}@host/bucket",
    ],
)
def test_a_url_with_a_secret_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(Usage) as caught:
        open_store(url)
    assert SECRET not in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("status code: 403 Forbidden: <Code>QuotaExceeded</Code>", DiskFull, "quota"),
        ("status code: 400: <Code>ExpiredToken</Code>", StoreUnreachable, "expired"),
        ("status code: 301: <Code>PermanentRedirect</Code>", StoreUnreachable, "region"),
        ("status code: 429 Too Many Requests: ", StoreUnreachable, "overloaded"),
        ("status code: 403 Forbidden: <html>", StoreUnreachable, "refuses"),
        ("status code: 418: <Code>Teapot</Code>", StoreUnreachable, "Teapot"),
        ("HttpError { kind: Timeout, source: TimedOut }", StoreUnreachable, "in time"),
        ("", StoreUnreachable, "nothing"),
    ],
)
def test_answers_in_words(text: str, kind: type[Exception], words: str) -> None:
    error = answers.translate(ValueError(text), "s3://bucket")
    assert type(error) is kind
    assert words in error.message
    assert error.hint
