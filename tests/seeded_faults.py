"""Seeded faults: one-line mistakes put into a copy of the program, each to be caught by its test.

    make faults                        all of data/faults.toml
    make faults ARGS="-k mask"         those with a word in their name; -k may stand more than once

A fault is put into a copy of the package in a temporary folder, and the test that it names runs
there. A fault survives where the test passes: then the tests have a hole. Each test also runs in a
copy without a fault, where it has to pass. Exit code 1 says that a fault survived, or could not be
tried.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import cache_from_source
from pathlib import Path

from archdsl.record import record

ROOT = Path(__file__).parent.parent
LIST = Path(__file__).parent / "data" / "faults.toml"
COPIED = ("archdsl", "tests", "pyproject.toml")
LINKED = ("docs", "grammar", "renders", "specs", "README.md", "CONTRIBUTING.md", "CHANGELOG.md")
MOST_SECONDS = 300
PASSED, FAILED = 0, 1
"""Exit codes of pytest; all others say that the test did not run."""


@record
class Fault:
    """A mistake: `line`, or a part of one, that stands once in `file` of the package becomes
    `becomes`; `test` is what pytest is asked to run, an id or a file with `-k`.
    """

    id: str
    file: str
    line: str
    becomes: str
    test: str


class NotThere(ValueError):
    """The line of a fault is not there exactly once: the list is out of date."""


def faults() -> list[Fault]:
    """The list, in its order."""
    return [Fault(**entry) for entry in tomllib.loads(LIST.read_text("utf-8"))["fault"]]


def broken(fault: Fault, package: Path) -> str:
    """The text of the fault's file with the fault in it. Raises NotThere."""
    text = (package / fault.file).read_text("utf-8")
    if text.count(fault.line) != 1:
        times = f"{text.count(fault.line)} times, not once"
        raise NotThere(f"{fault.id}: {fault.line!r} stands {times} in {fault.file}")
    return text.replace(fault.line, fault.becomes)


def sound_copy(folder: Path) -> Path:
    """What the tests need of the project, in a folder of its own."""
    folder.mkdir()
    for name in COPIED:
        here = ROOT / name
        (shutil.copytree if here.is_dir() else shutil.copy2)(here, folder / name)
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    return folder


def broken_copy(fault: Fault, sound: Path, folder: Path) -> Path:
    """A copy with a fault in it. Raises NotThere."""
    shutil.copytree(sound, folder, symlinks=True)
    path = folder / "archdsl" / fault.file
    path.write_text(broken(fault, folder / "archdsl"), encoding="utf-8")
    Path(cache_from_source(str(path))).unlink(missing_ok=True)
    return folder


def run(tests: Iterable[str], folder: Path) -> tuple[int, str]:
    """The exit code of pytest in a copy, -1 where it does not end, and what it printed."""
    words = [word for t in tests for word in (shlex.split(t) if " -k " in t else [t])]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *words]
    env = {**os.environ, "PYTHONPATH": str(folder)}
    try:
        done = subprocess.run(
            command, cwd=folder, env=env, capture_output=True, text=True, check=False,
            timeout=MOST_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return -1, f"no end after {MOST_SECONDS} seconds"
    return done.returncode, done.stdout + done.stderr


def unsound(tests: Sequence[str], folder: Path) -> dict[str, str]:
    """Those tests of one file that do not pass in a sound copy, with what they print."""
    if len(tests) > 1 and not any(" -k " in test for test in tests):
        code, _ = run(tests, folder)
        if code == PASSED:
            return {}
    ran = {test: run([test], folder) for test in tests}
    return {test: printed for test, (code, printed) in ran.items() if code != PASSED}


def tried(fault: Fault, sound: Path, folder: Path) -> tuple[str, str]:
    """What is wrong with a fault, "" where its test failed, and what pytest printed."""
    try:
        copy = broken_copy(fault, sound, folder)
    except NotThere as error:
        return str(error), ""
    code, printed = run([fault.test], copy)
    shutil.rmtree(copy)
    if code == PASSED:
        return f"SURVIVED {fault.test}", ""
    return ("", "") if code == FAILED else (f"{fault.test} did not run", printed)


def main(words: Sequence[str] | None = None) -> int:
    """Tries the faults; the exit code."""
    parser = argparse.ArgumentParser(description="One-line faults, each to be caught by a test.")
    parser.add_argument("-k", action="append", default=[], metavar="WORD", dest="chosen",
                        help="only faults with this in their name")  # fmt: skip
    parser.add_argument("-n", type=int, choices=(1, 2), default=2, dest="processes",
                        help="how many run side by side")  # fmt: skip
    given = parser.parse_args(words)
    found = [f for f in faults() if not given.chosen or any(k in f.id for k in given.chosen)]
    if not found:
        print("no fault has that in its name")
        return 1
    by_file: dict[str, list[str]] = {}
    for test in dict.fromkeys(fault.test for fault in found):
        by_file.setdefault(test.partition("::")[0], []).append(test)
    begun = time.monotonic()
    left = 0
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(given.processes) as pool:
        sound = sound_copy(Path(name) / "sound")
        wrong: dict[str, str] = {}
        for problems in pool.map(lambda tests: unsound(tests, sound), by_file.values()):
            wrong |= problems
        for test, printed in wrong.items():
            print(f"{printed}\n{test} does not pass without a fault")
        fit = [fault for fault in found if fault.test not in wrong]
        folders = [Path(name) / str(number) for number in range(len(fit))]
        results = pool.map(lambda fault, folder: tried(fault, sound, folder), fit, folders)
        for fault, (problem, printed) in zip(fit, results, strict=True):
            left += bool(problem)
            print(f"{printed}{fault.id}: {problem or 'caught'}", flush=True)
    caught = len(fit) - left
    print(f"{caught} of {len(found)} faults caught in {time.monotonic() - begun:.0f} s")
    return int(caught < len(found))


if __name__ == "__main__":
    sys.exit(main())
