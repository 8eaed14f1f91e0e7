"""The traits of the user's settings, made from the table of all settings.

c.VmlExtension.shape_memory_mib = 4096     beats the environment and the configuration file, for this server
"""

from __future__ import annotations

from typing import Any, get_origin

from traitlets import Dict, Float, Integer, List, MetaHasTraits, TraitType, Unicode
from traitlets.config import Configurable

from vml_jupyter.flows.setting_table import SETTINGS, Number, Positive, Seconds, Setting

_LEAST = {Number: 0, Positive: 1, Seconds: 0}
_KINDS: dict[Any, Any] = {
    Number: Integer,
    Positive: Integer,
    Seconds: Float,
    str: Unicode,
    list: List,
    dict: Dict,
}


def trait_of(setting: Setting) -> TraitType[Any, Any]:
    """Return a trait that is None where the administrator says nothing."""
    text = f"{setting.help[:1].upper()}{setting.help[1:]}: {setting.wants}. Default: {setting.default_text}."
    bounds = {"min": _LEAST[setting.type]} if setting.type in _LEAST else {}
    kind = _KINDS[get_origin(setting.type) if setting.type not in _KINDS else setting.type]
    made: TraitType[Any, Any] = kind(default_value=None, allow_none=True, help=text, **bounds)
    return made


class _Said(Configurable):
    def said(self) -> dict[str, Any]:
        """Return what the administrator says, by the names of the settings."""
        values = {setting.name: getattr(self, setting.trait) for setting in SETTINGS if setting.trait}
        return {name: value for name, value in values.items() if value not in (None, "", [])}


UserTraits: Any = MetaHasTraits(
    "UserTraits",
    (_Said,),
    {setting.trait: trait_of(setting).tag(config=True) for setting in SETTINGS if setting.trait},
)
