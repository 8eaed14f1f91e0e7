"""The ``%vml`` magic: every verb of the command line, for the notebook one is in.

    %vml VERB ...  ->  arguments.parse  ->  the command line's verb, on a page (page.py)  ->  the cell's result

The result can be kept (``entry = %vml snapshot``); it has the flow's records. An error stops the cell, like any
error, but is shown as what is wrong and what to do, without a traceback. No Jupyter server is needed.
"""

from __future__ import annotations

from typing import Any

from IPython.core.magic import Magics, line_magic, magics_class

from vml_jupyter.cli import output
from vml_jupyter.cli.main import settings_of
from vml_jupyter.errors import Cancelled, VmlError, of_system
from vml_jupyter.kernel.arguments import manual, parse
from vml_jupyter.kernel.completion import Completer
from vml_jupyter.kernel.page import NotebookPage, Result, problem
from vml_jupyter.kernel.session import Session


@magics_class
class VmlMagics(Magics):
    """Hold the one magic of a running IPython shell."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self.session = Session(shell)
        self.completer = Completer()

    @line_magic
    def vml(self, line: str) -> Result | None:
        """Take snapshots of this notebook's working area and go back to them."""
        try:
            arguments = parse(line)
            if arguments is None:
                return None
            page = NotebookPage(self.shell, self.session)
            with output.onto(page):
                arguments.run(settings_of(arguments), arguments)
            return page.finished()
        except KeyboardInterrupt:
            raise _plainly(Cancelled("interrupted", "Nothing is left of what was begun.")) from None
        except VmlError as error:
            raise _plainly(error) from None
        except OSError as error:
            raise _plainly(of_system(error)) from None


setattr(VmlMagics.vml, "getdoc", manual)  # noqa: B010  # what ``%vml?`` shows; functions have no such attribute


def load_ipython_extension(shell: Any) -> None:
    """Register ``%vml``, and the completion of what follows it."""
    magics = VmlMagics(shell)
    magics.session.watch()
    shell.register_magics(magics)
    shell.Completer.custom_matchers.append(magics.completer.matcher)


def unload_ipython_extension(shell: Any) -> None:
    """Take ``%vml`` away again."""
    magics = shell.magics_manager.registry.pop("VmlMagics", None)
    if magics:
        magics.session.unwatch()
        shell.Completer.custom_matchers.remove(magics.completer.matcher)
    shell.magics_manager.magics["line"].pop("vml", None)


def _plainly(error: VmlError) -> VmlError:
    """Make IPython show an error as its own words; this hook is looked up on the exception itself."""
    setattr(error, "_render_traceback_", lambda: problem(error))  # noqa: B010  # no attribute of the class
    return error
