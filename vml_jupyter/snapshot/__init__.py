"""Working area <-> repository: count it, take it in, lay it out."""

from vml_jupyter.snapshot.lay import Laid, lay
from vml_jupyter.snapshot.salvage import Salvage
from vml_jupyter.snapshot.survey import Survey, survey
from vml_jupyter.snapshot.take import Taken, take

__all__ = ["Laid", "Salvage", "Survey", "Taken", "lay", "survey", "take"]
