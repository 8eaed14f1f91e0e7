"""The verb doctor: what this computer can run, and how to mend what it cannot."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vml_jupyter.cli import output
from vml_jupyter.flows.settings import Settings

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]

_FAILED = 1


def add_verbs(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add this module's verb to the command line."""
    doctor = verbs.add_parser(
        "doctor", parents=[common], help="what this computer can run, and how to mend what it cannot"
    )
    doctor.add_argument(
        "--again", action="store_true", help="try the accelerators again, though they are known"
    )
    doctor.set_defaults(run=_doctor)


def _doctor(settings: Settings, arguments: argparse.Namespace) -> int:
    from vml_jupyter.flows.doctor import doctor

    with output.progress() as terminal:
        report = doctor(settings, again=arguments.again, progress=terminal)
    status = 0 if report.can_restore else _FAILED
    output.result(report)
    if arguments.json:
        output.as_json(report)
        return status
    output.table(
        ("VERDICT", "WHAT", "WHY"),
        [(found.verdict, found.what, found.why) for found in report.findings],
        "This computer",
    )
    for found in report.findings:
        if found.fix:
            output.line(f"{found.what}: {found.fix}")
    output.line("A restore works here." if report.can_restore else "A restore cannot work here.")
    return status
