"""The judgement on an image's signature, apart from what judges: certificates are dear to import."""

from __future__ import annotations

import msgspec


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """The judgement on one image.

    ``status`` is ``signed`` (proof and signer hold), ``unchecked`` (the proof holds, but there is no CA
    certificate to judge the signer by), ``unsigned`` (no signature there), or ``bad``; ``reason`` says why in
    words.
    """

    status: str
    signer: str = ""
    reason: str = ""
