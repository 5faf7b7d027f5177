"""What a command leaves behind: files replaced in one step, messages, progress.

Nothing is written before all of it is known: a command that fails leaves every file as it was.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from archdsl.diagnostic import Diagnostic, printable, to_json

SHOWN = 50
"""Diagnostics printed as text; the rest is counted. JSON has all of them."""


class Stop(Exception):
    """Ends a command with an exit code; the message, if there is one, goes to standard error. It
    may hold names of files and texts of a spec: what could steer a terminal is replaced.
    """

    def __init__(self, code: int, message: str = "") -> None:
        self.code = code
        super().__init__(printable(message))


def usage(message: str) -> Stop:
    """The command was not understood, or a file cannot be read or written."""
    return Stop(2, message)


def colored(stream: TextIO) -> bool:
    """Whether a stream is a terminal that takes colours (https://no-color.org)."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not plain


def tell(diagnostics: Sequence[Diagnostic], form: str, stream: TextIO) -> None:
    """Diagnostics as text, a blank line between two, or as one JSON array."""
    if form == "json":
        print(to_json(d.record() for d in diagnostics), file=stream)
        return
    color = colored(stream)
    for diagnostic in diagnostics[:SHOWN]:
        print(diagnostic.text(color), end="\n\n", file=stream)
    if len(diagnostics) > SHOWN:
        print(f"and {len(diagnostics) - SHOWN} more errors", file=stream)


def write(path: str, data: str | bytes) -> None:
    """Writes a file, or standard output for `-`. A reader never sees half of it.

    Raises Stop where it cannot be written.
    """
    raw = data.encode("utf-8") if isinstance(data, str) else data
    if path == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(raw)
        sys.stdout.buffer.flush()
        return
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _replace(target, raw)
    except OSError as error:
        raise usage(f"{path} cannot be written: {error.strerror or error}") from error


def _replace(target: Path, data: bytes) -> None:
    if target.is_dir():
        raise IsADirectoryError(21, "it is a folder")
    if target.exists() and not target.is_file():  # a device or a pipe: there is nothing to replace
        target.write_bytes(data)
        return
    real = target.resolve()  # a link stays a link
    mode = real.stat().st_mode & 0o777 if real.exists() else 0o666 & ~_umask()
    fresh = real.with_name(f".archdsl-{os.urandom(8).hex()}")
    # Exclusively: never through a link that someone else has put there.
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        fresh.chmod(mode)
        fresh.replace(real)
    except BaseException:
        fresh.unlink()
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


class Progress:
    """One line on a terminal that says what is being done; nothing where no one looks."""

    def __init__(self, total: int) -> None:
        self.total, self.done = total, 0
        self.shown = sys.stderr.isatty() and total > 1

    def step(self, what: str) -> None:
        """Begin with the next piece of work."""
        self.done += 1
        if self.shown:
            print(f"\r\x1b[K{self.done}/{self.total} {what}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Take the line away."""
        if self.shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
