"""What a widget leaves in a notebook for where it cannot be live: a text, and a picture."""

from __future__ import annotations

import base64
from typing import Any

from terrascope_nb.words import say


def with_twin(bundle: Any, model_id: str, text: str, png: bytes) -> Any:
    """Return what a widget displays, with its twin in text and its picture beside the live view.

    Parameters
    ----------
    bundle : dict, or tuple of dict and dict
        What ipywidgets or anywidget made; None stays None.
    model_id : str
        The widget's own.
    text : str
        The twin in words.
    png : bytes
        The picture.
    """
    from terrascope_nb.widgets.live_map.map import SAVED_MAP  # ipyleaflet, only when something is shown

    data = bundle[0] if isinstance(bundle, tuple) else bundle
    if data is not None:
        data["text/plain"] = text
        data["image/png"] = base64.b64encode(png).decode("ascii")
        # Our JupyterLab extension shows the picture where no kernel brings the widget back.
        data[SAVED_MAP] = {"model_id": model_id, "text": text, "saved": say("Picture as it was when it was saved.")}
    return bundle
