"""Who may log in to a server that asks for a password the first time, as the VML VM does.

Jupyter's own provider lets the token count on beside a password that was set with it, and its page offer to set one,
until the server is started anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_server.auth.identity import PasswordIdentityProvider

from vml_jupyter.replacing import sync_file, sync_folder

if TYPE_CHECKING:
    from jupyter_server.auth.identity import User
    from tornado.web import RequestHandler


class FirstPassword(PasswordIdentityProvider):
    """Jupyter's passwords and tokens, but a token ends as soon as a password was set with it.

    Use it as ``ServerApp.identity_provider_class``.
    """

    def process_login_form(self, handler: RequestHandler) -> User | None:
        """Log in whoever knows password or token, as Jupyter has it, and end the token where he set a password."""
        before = self.hashed_password
        user = super().process_login_form(handler)
        if self.hashed_password != before:
            self.token = ""
            handler.settings["token"] = ""  # Jupyter's copy for old extensions
            # Jupyter leaves it to the system when that is on the disk, and does not start with half a file.
            folder = Path(handler.settings["config_dir"])
            sync_file(folder / "jupyter_server_config.json")
            sync_folder(folder)
        return user
