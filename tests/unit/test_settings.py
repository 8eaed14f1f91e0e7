"""The settings: one table, from which file, variables, traits, JupyterLab and documentation are the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from reference_pages import README, settings_page, with_settings

from vml_jupyter.cli.main import main
from vml_jupyter.errors import NotFound, Usage
from vml_jupyter.flows import config
from vml_jupyter.flows import settings as flow_settings
from vml_jupyter.flows.setting_table import BY_NAME, SETTINGS
from vml_jupyter.flows.settings import Settings, load
from vml_jupyter.model import Shape
from vml_jupyter.model.address import has_secret, masked, masked_all
from vml_jupyter.release import Trust
from vml_jupyter.server.app import VmlExtension

SCHEMA = Path(__file__).parents[2] / "labextension" / "schema" / "plugin.json"
JSON_TYPES = {bool: "boolean", str: "string"}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"VML_DATA": str(tmp_path / "data"), "VML_CONFIG": str(tmp_path / "config")}


def written(environ: dict[str, str]) -> Any:
    return json.loads(config.file_of(environ).read_text())


def test_each_setting_is_described() -> None:
    assert len(BY_NAME) == len(SETTINGS)
    for setting in SETTINGS:
        assert setting.help
        assert setting.wants
        assert setting.in_file or setting.variable
        assert setting.variable.startswith("VML_") or not setting.variable
    variables = [setting.variable for setting in SETTINGS if setting.variable]
    assert len(set(variables)) == len(variables)


def test_the_defaults_are_those_that_flows_work_with(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow_settings, "GRID_AUTHORITIES", tmp_path / "on no computer")
    settings = load(environ)
    assert settings == Settings(
        data=tmp_path / "data", config=tmp_path / "config", logbook=str(tmp_path / "data" / "logbook")
    )
    assert settings.shape == Shape()


def test_the_authorities_of_the_grid_are_asked_where_nothing_else_is_said(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "certificates"
    monkeypatch.setattr(flow_settings, "GRID_AUTHORITIES", folder)
    assert load(environ).trust() == Trust()
    folder.mkdir()
    assert load(environ).trust() == Trust(authorities=folder, assumed=True)
    assert load({**environ, "VML_RELEASE_CA": ""}).trust() == Trust()
    assert load({**environ, "VML_RELEASE_CA": "/my.pem"}).trust() == Trust(authorities=Path("/my.pem"))
    assert load(environ).using(release_ca=Path("/my.pem")).trust() == Trust(authorities=Path("/my.pem"))
    config.set("release_ca", [""], environ)
    assert load(environ).trust() == Trust()


def test_the_server_has_each_as_a_trait() -> None:
    traits = VmlExtension.class_traits(config=True)
    for setting in SETTINGS:
        if setting.trait:
            assert setting.help[1:] in traits[setting.trait].help
            assert traits[setting.trait].default_value is None or setting.type not in (str, int)


def test_a_trait_beats_the_environment_and_the_file(environ: dict[str, str]) -> None:
    config.set("shape.cpus", ["3"], environ)
    config.set("logbook", ["/in/the/file"], environ)
    said = load({**environ, "VML_LOGBOOK": "/in/the/environment"})
    assert (said.logbook, said.shape.cpus) == ("/in/the/environment", 3)
    over = load({**environ, "VML_LOGBOOK": "/x"}, {"logbook": "/by/the/server", "shape.cpus": 4})
    assert (over.logbook, over.shape.cpus) == ("/by/the/server", 4)
    with pytest.raises(Usage, match=r"Jupyter's configuration: `shape.cpus` wants a number"):
        load(environ, {"shape.cpus": -1})


def test_jupyterlab_asks_for_the_same() -> None:
    properties = json.loads(SCHEMA.read_text())["properties"]
    shared = [setting for setting in SETTINGS if setting.lab in properties]
    assert BY_NAME["default_release"] in shared
    for setting in shared:
        asked = properties[setting.lab]
        assert asked["default"] == setting.default, setting.name
        assert asked["type"] in (JSON_TYPES.get(setting.type), "integer", "number"), setting.name


def test_the_documentation_has_the_table() -> None:
    text = README.read_text("utf-8")
    assert text == with_settings(text), "run python docs/reference_pages.py"
    page = settings_page()
    assert all(f"`{setting.name}`" in page or f"`{setting.variable}`" in page for setting in SETTINGS)
    assert "`machine_access`" in page


@pytest.mark.parametrize(
    ("name", "words", "value"),
    [
        ("logbook", ["/some where"], "/some where"),
        ("shape.memory_mib", ["4096"], 4096),
        ("ready_timeout_s", ["2.5"], 2.5),
        ("automatic", ["Yes"], True),
        ("release_urls", ["http://a", "http://b"], ["http://a", "http://b"]),
        ("release_urls", ['["http://a"]'], ["http://a"]),
        ("logbooks", ['{"group": "s3://a/b"}'], {"group": "s3://a/b"}),
        ("release_sources", ['[{"kind": "folder", "path": "/x"}]'], [{"kind": "folder", "path": "/x"}]),
    ],
)
def test_a_value_is_written_and_taken_away(
    environ: dict[str, str], name: str, words: list[str], value: Any
) -> None:
    now = config.set(name, words, environ)
    assert (now.value, now.origin) == (value, "file")
    assert config.get(name, environ).value == value
    load(environ)
    gone = config.unset(name, environ)
    assert gone is not None
    assert gone.origin == "default"
    assert written(environ) == {}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        *(("shape.cpus", ["0"]), ("shape.cpus", ["two"]), ("bin_days", ["-1"]), ("automatic", ["maybe"])),
        *(("logbooks", ["x"]), ("release_sources", ['[{"kind": "moon"}]']), ("release_urls", ["[1]"])),
        *(("ready_timeout_s", ["0"]), ("data", ["/x"]), ("logbook_password", ["x"])),
    ],
)
def test_a_value_that_cannot_be_is_refused_and_nothing_changes(
    environ: dict[str, str], name: str, words: list[str]
) -> None:
    config.set("bin_days", ["7"], environ)
    with pytest.raises(Usage) as caught:
        config.set(name, words, environ)
    assert name in str(caught.value)
    assert caught.value.hint
    assert written(environ) == {"bin_days": 7}


def test_a_setting_that_is_none_is_not_taken_for_one(environ: dict[str, str]) -> None:
    for name in ("shape.cpu", "shape", "logbooks.", "nothing.at.all"):
        with pytest.raises(NotFound, match="no setting"):
            config.set(name, ["1"], environ)
    with pytest.raises(NotFound, match=r"Did you mean `shape.cpus`"):
        config.get("shape.cpu", environ)
    with pytest.raises(NotFound, match="not in"):
        config.unset("logbook", environ)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "cannot be understood"),
        ('{"machine_max": 1}', "no setting `machine_max`, but `machines_max`"),
        ('{"shape": {"cpus": "two"}}', "`shape.cpus` wants a number, 1 or more"),
        ('{"shape": {"wheels": 4}}', "no setting `shape.wheels`"),
        ('{"logbook_password": "x"}', "but by the variable VML_LOGBOOK_PASSWORD"),
    ],
)
def test_a_file_that_is_not_understood_is_told_and_kept(environ: dict[str, str], text: str, why: str) -> None:
    file = config.file_of(environ)
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(Usage, match=why.replace("(", r"\(")):
        load(environ)
    with pytest.raises(Usage):
        config.set("bin_days", ["3"], environ)
    assert file.read_text() == text


def test_a_logbook_can_be_named(environ: dict[str, str], tmp_path: Path) -> None:
    config.set("logbooks.group", [str(tmp_path / "group")], environ)
    config.set("logbooks.mine", [str(tmp_path / "mine")], environ)
    assert load(environ).using(logbook="group").logbook == str(tmp_path / "group")
    config.set("logbook", ["mine"], environ)
    assert load(environ).logbook == str(tmp_path / "mine")
    assert load({**environ, "VML_LOGBOOK": "group"}).logbook == str(tmp_path / "group")
    assert config.get("logbooks.group", environ).value == str(tmp_path / "group")
    with pytest.raises(Usage, match="in use"):
        config.unset("logbooks.mine", environ)
    assert config.unset("logbooks.group", environ) is None
    assert written(environ)["logbooks"] == {"mine": str(tmp_path / "mine")}
    with pytest.raises(NotFound):
        config.get("logbooks.group", environ)


def test_the_command_line_says_where_a_value_comes_from(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("VML_LOGBOOK", "/elsewhere")
    monkeypatch.setenv("VML_LOGBOOK_PASSWORD", "very secret")
    assert main(["config", "set", "idle_minutes", "5"]) == 0
    assert main(["config", "list"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "the variable VML_LOGBOOK" in lines["logbook"]
    assert "the file" in lines["idle_minutes"]
    assert "the default" in lines["machines_max"]
    assert "not shown" in lines["logbook_password"]
    assert main(["config", "list", "--json"]) == 0
    out = capsys.readouterr().out
    assert "very secret" not in out
    told = json.loads(out)
    assert told["file"] == str(config.file_of())
    assert {each["name"]: each["origin"] for each in told["settings"]}["idle_minutes"] == "file"
    assert main(["config", "set", "logbook", "/mine"]) == 0
    assert "VML_LOGBOOK is set" in capsys.readouterr().err
    assert main(["config", "get", "idle_minutes"]) == 0
    assert capsys.readouterr().out == "5\n"
    assert main(["config", "unset", "idle_minutes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["value"] == 60
    assert main(["config", "set", "idle_minutes", "soon"]) == 2
    assert main(["config", "get", "nonsense"]) == 1


SECRETS = [
    ("s3:https://AKIA:HUSH@host/bucket/logs", "s3:https://***@host/bucket/logs"),
    ("s3:https://AKIA:HU/SH@host:9000/bucket", "s3:https://***@host:9000/bucket"),
    ("s3:https://AKIA:HU@SH@host/bucket", "s3:https://***@host/bucket"),
    ("s3:AKIA:HUSH@host/bucket", "s3:***@host/bucket"),
    ("s3://AKIA:HU/SH@bucket/logs", "s3://***@bucket/logs"),
    ("s3://HUSH@bucket", "s3://***@bucket"),
    ("s3:https://AKIA:HUSH@[::1]:9000/bucket", "s3:https://***@[::1]:9000/bucket"),
    ("s3:https://[AKIA:HU/SH@host/bucket", "s3:https://***@host/bucket"),
    ("https://AKIA:HUSH@host/bucket", "https://***@host/bucket"),
    ("s3://bucket/logs?secret=HUSH", "s3://bucket/logs?***"),
]
ORDINARY = [
    "/data/me@home/logbook",
    "s3://bucket/me@home",
    "s3:https://host/bucket/me@home",
    "s3:https://host:9000/bucket/me@home",
    "s3:host:9000/bucket/me@home",
    "/data/logs?#1",
    "/data//ada@cern/lb",
    "/data//a:b/c@d",
    "s3:https://[::1]:9000/b/x@y",
    "s3:https://[fe80::1%25eth0]/b/x@y",
]


@pytest.mark.parametrize("url", ORDINARY)
def test_what_is_no_secret_is_shown(url: str) -> None:
    assert (has_secret(url), masked(url)) == (False, url)


@pytest.mark.parametrize(("url", "shown"), SECRETS)
@pytest.mark.parametrize(
    ("setting", "value"),
    [("logbook", "{}"), ("logbooks.group", "{}"), ("logbooks", '{{"group": "{}"}}')],
)
def test_a_secret_in_the_logbooks_url_is_not_kept(
    environ: dict[str, str], url: str, shown: str, setting: str, value: str
) -> None:
    config.set("logbook", ["/data/logbook"], environ)
    before = written(environ)
    with pytest.raises(Usage, match="no user, password, or parameters") as refusal:
        config.set(setting, [value.format(url)], environ)
    assert "HU" not in f"{refusal.value}"
    assert written(environ) == before


@pytest.mark.parametrize(("url", "shown"), SECRETS)
def test_a_secret_that_is_there_is_not_shown(
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    url: str,
    shown: str,
) -> None:
    """It came by a variable, or was written into the file by hand or by a former version."""
    environ["VML_LOGBOOK"] = url
    config.file_of(environ).parent.mkdir()
    config.file_of(environ).write_text(json.dumps({"logbooks": {"group": url}}))
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    found = {each.name: each for each in config.listing(environ)}
    assert (found["logbook"].value, found["logbook"].shown) == (shown, shown)
    assert found["logbooks"].value == {"group": shown}
    assert config.get("logbooks.group", environ).value == shown
    for words in (["config", "list"], ["config", "get", "logbook", "--json"], ["list"], ["check"]):
        main(words)
        printed = capsys.readouterr()
        assert "HU" not in printed.out + printed.err, words
    assert "HU" not in repr(load(environ))
    assert config.unset("logbooks.group", environ) is None, "so that it can be mended"


def test_a_secret_is_not_repeated_by_what_is_no_value(environ: dict[str, str]) -> None:
    with pytest.raises(Usage) as refusal:
        config.set("logbooks", ['{"group": "s3:https://AKIA:HUSH@host/bucket'], environ)
    assert "HUSH" not in str(refusal.value)


def test_passwords_of_proxies_and_mirrors_are_not_shown(environ: dict[str, str]) -> None:
    config.set("context.cvmfs_http_proxy", ["http://me:HUSH@proxy:3128;DIRECT"], environ)
    now = config.set("release_urls", ["https://me:HUSH@cern.ch/releases"], environ)
    assert now.value == ["https://***@cern.ch/releases"]
    assert config.get("context.cvmfs_http_proxy", environ).shown == "http://***@proxy:3128;DIRECT"
    assert "HUSH" not in "".join(each.shown for each in config.listing(environ))
    assert masked_all("qemu+ssh://me@host/session") == "qemu+ssh://me@host/session"
    for url in ("http://mirror:8080/a@b", "http://[::1]:9000/a@b"):
        assert masked_all(url) == url, "a port is no password"
    assert masked_all("http://me:8080@host/a") == "http://***@host/a"


def test_settings_in_a_notebook_show_no_password(environ: dict[str, str]) -> None:
    """Whatever field it stands in: a cell's output is saved."""
    secret = "https://me:HUSH@cern.ch/releases"
    sources = [
        {"kind": "repository", "url": secret, "mirrors": [secret]},
        {"kind": "folder", "path": "/images"},
    ]
    config.set("release_sources", [json.dumps(sources)], environ)
    environ |= {"VML_RELEASE_URLS": secret, "VML_LIBVIRT_URI": "qemu+ssh://me:HUSH@host/system"}
    settings = load(environ)
    assert settings.release_urls == (secret,)
    told = repr(settings)
    assert "HUSH" not in told
    assert told.count("https://***@cern.ch/releases") == 3
    assert "/images" in told
