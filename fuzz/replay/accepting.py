"""New outcomes into the JSON of a crasher: nothing but what differs is written, and all else stays as it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fuzz.atomic import write_atomic
from fuzz.crashers import CrasherError
from fuzz.replay.json_text import put

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def accept(stream: Path, news: Mapping[str, Mapping[str, Any]]) -> None:
    """Write news, by design and key, to what is expected of the crasher: atomically, or not at all.

    Of a design of which nothing is expected yet all is taken. Raises CrasherError.
    """
    path = stream.with_suffix(".json")
    try:
        data = path.read_bytes()
        text = data.decode("utf-8")
        expect = json.loads(data)["expect"]
        for design, values in news.items():
            if not expect.get(design):
                text = put(text, ("expect", design), dict(values))
                continue
            for key, value in values.items():
                text = put(text, ("expect", design, key), value)
        write_atomic(path, text.encode())
    except OSError as error:
        raise CrasherError(f"crasher {stream}: {path}: {error.strerror or error}") from None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise CrasherError(f"crasher {stream}: {path}: it was changed meanwhile: {error}") from None
