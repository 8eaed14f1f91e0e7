"""The pages of the reference that are made from the code: settings, command line, errors.

python docs/reference_pages.py      writes the table of settings into README.md; a test says when that is due
"""

from __future__ import annotations

import argparse
import inspect
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from vml_jupyter import errors
from vml_jupyter.cli.main import parser
from vml_jupyter.flows.setting_table import SETTINGS, Setting
from vml_jupyter.server.app import VmlExtension

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- settings -->\n", "<!-- end of settings -->\n"
PICTURES = Path(__file__).parent.parent / "artefacts"
_LARGEST = 400_000
SERVER_ONLY = ("machine_access", "machine_address", "tls_port", "workers")


def main() -> int:
    text = README.read_text("utf-8")
    README.write_text(with_settings(text), "utf-8")
    return 0


def with_settings(readme: str) -> str:
    """Return the README with the table of settings as it should be."""
    before, _, rest = readme.partition(BEGIN)
    return f"{before}{BEGIN}\n{settings_table()}\n{END}{rest.partition(END)[2]}"


def write_into(folder: Path) -> None:
    """Write all pages into a folder, touching only what changed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {
        "settings.md": settings_page(),
        "command-line.md": command_line_page(),
        "errors.md": errors_page(),
        "screens.md": screens_page(folder),
    }.items():
        file = folder / name
        if not file.exists() or file.read_text("utf-8") != text:
            file.write_text(text, "utf-8")


def settings_table() -> str:
    head = "| setting | meaning | default | variable | trait of `VmlExtension` | in JupyterLab |\n"
    return (
        head + "|---|---|---|---|---|---|\n" + "".join(f"| {' | '.join(_row(each))} |\n" for each in SETTINGS)
    )


def _row(setting: Setting) -> list[str]:
    name = f"`{setting.name}`" if setting.in_file else ""
    meaning = _cell(f"{setting.help} ({setting.wants})")
    default = _cell(setting.default_text)
    words = default if setting.default_is_told or default == "none" else f"`{default}`"
    return [
        name,
        meaning,
        words,
        *(f"`{each}`" if each else "" for each in (setting.variable, setting.trait, setting.lab)),
    ]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<data>", "`<data>`")


def settings_page() -> str:
    own = "".join(
        f"| `{name}` | {_cell(VmlExtension.class_traits()[name].help)} | "
        f"`{VmlExtension.class_traits()[name].default_value!r}` |\n"
        for name in SERVER_ONLY
    )
    return f"""# Settings

A trait of a Jupyter server beats the environment, the environment beats the configuration file, the file beats the
default. `vml config list` shows what each is and who says so; `vml config set` writes the file.

{settings_table()}
A Jupyter server has these beside:

| trait of `VmlExtension` | meaning | default |
|---|---|---|
{own}"""


def command_line_page() -> str:
    top = parser()
    sections = "".join(
        f"\n## {verb.prog}\n\n```text\n{verb.format_help()}```\n" for verb in verbs(top) if verb is not top
    )
    return f"""# Command line

`vml` at a terminal, `%vml` in a notebook: the same verbs and options. Exit status 0 means done, 1 failed (one
line: what, why, what to do), 2 not understood. `--json` prints one JSON object, errors included.
{sections}"""


def verbs(top: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield a parser and all below it."""
    yield top
    for action in top._actions:  # argparse has no other way to tell
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from verbs(below)


def errors_page() -> str:
    tree = inspect.getdoc(errors) or ""
    rows = "".join(
        f"| `{each.__name__}` | `{_code(each)}` | {each.http_status} |\n" for each in _errors(errors.VmlError)
    )
    return f"""# Errors

Each says what is wrong and why (`message`) and what to do (`hint`); some say it to programs, too (`choices`).

```text
{tree}
```

| error | `code` in JSON | HTTP status |
|---|---|---|
{rows}"""


def screens_page(folder: Path) -> str:
    """Return a page with the pictures that the browser's tests took, as far as they are there."""
    folder = folder / "screens"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shown = ""
    for file in sorted(PICTURES.glob("**/*.png")):
        if file.stat().st_size <= _LARGEST:
            shutil.copy(file, folder)
            shown += f"\n## {file.stem}\n\n![{file.stem}](screens/{file.name})\n"
    none = "\nThere are none now: `pytest tests/e2e` takes them, before this page is made.\n"
    return f"# How it looks\n\nPictures that the tests took in a real browser.\n{shown or none}"


def _code(kind: type[errors.VmlError]) -> str:
    return kind.__new__(kind).code


def _errors(kind: type[errors.VmlError]) -> Iterator[type[errors.VmlError]]:
    yield kind
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from _errors(below)


if __name__ == "__main__":
    sys.exit(main())
