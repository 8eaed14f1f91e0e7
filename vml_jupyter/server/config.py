"""The user's settings in the browser: what they are, who says so, and changing what the configuration file says.

    GET    vml/api/settings          {"file": ..., "settings": [{"name", "shown", "origin", "help", "wants", ...}]}
    PUT    vml/api/settings/<name>   {"text": "4096"} -> the setting as it is now
    DELETE vml/api/settings/<name>   what others say, or the default, counts again

What is changed holds for this server at once; machines that run stay as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from jupyter_server.auth.decorator import authorized
from tornado import web

from vml_jupyter.server.handler import VmlHandler

if TYPE_CHECKING:
    from vml_jupyter.flows.config import Configured
    from vml_jupyter.server.app import VmlExtension


class SettingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A value as a person writes it: a text, several parted by spaces for a list, or JSON."""

    text: str


class SettingsHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def get(self) -> None:
        self.reply(await self.beside(self._all))

    def _all(self) -> dict[str, Any]:
        from vml_jupyter.flows import config

        told = [setting_view(each, self.vml) for each in config.listing()]
        return {"file": str(config.file_of()), "settings": told}


class SettingHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def put(self, name: str) -> None:
        from vml_jupyter.flows import config

        now = await self.beside(config.set_text, name, self.body(SettingRequest).text)
        self.vml.read_settings_again()
        self.reply(setting_view(now, self.vml))

    @web.authenticated
    @authorized
    async def delete(self, name: str) -> None:
        from vml_jupyter.flows import config

        now = await self.beside(config.unset, name)
        self.vml.read_settings_again()
        self.reply(setting_view(now, self.vml) if now else {"name": name})


def setting_view(configured: Configured, vml: VmlExtension) -> dict[str, Any]:
    """Return a setting with whether the file may say it, and what an administrator says in place of it."""
    from vml_jupyter.flows.setting_table import BY_NAME, masked_of, shown

    told: dict[str, Any] = msgspec.to_builtins(configured)
    setting = BY_NAME.get(configured.name)
    if setting is None:  # one line of a setting
        return told
    said = vml.said().get(setting.name)
    told["editable"] = setting.in_file and said is None
    if said is not None:
        told |= {"origin": "administrator", "shown": shown(masked_of(setting, said))}
    return told
