"""Shows the nodes' logs on the terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

POLL_S = 0.2


def follow(logs: Mapping[str, Path], say: Callable[[str], None]) -> None:
    """Print every line that is written from now on, after the name of its log."""
    files = {name: path.open("rb") for name, path in logs.items()}
    for file in files.values():
        file.seek(0, 2)
    threading.Thread(target=_follow, args=(files, say), daemon=True).start()


def _follow(files: Mapping[str, BinaryIO], say: Callable[[str], None]) -> None:
    begun = dict.fromkeys(files, b"")
    while True:
        for name, file in files.items():
            *lines, begun[name] = (begun[name] + file.read()).split(b"\n")
            for line in lines:
                say(f"{name} | {line.decode(errors='replace')}")
        time.sleep(POLL_S)
