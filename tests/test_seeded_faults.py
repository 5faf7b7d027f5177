"""The list of seeded faults is true: each line is there once, and each test exists.

`make faults` tries them all; this takes seconds.
"""

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import seeded_faults
from archdsl.record import replace
from seeded_faults import ROOT, Fault, NotThere, broken, faults, sound_copy, tried

FAULTS = faults()
PACKAGE = ROOT / "archdsl"


def test_there_are_many_and_each_has_a_name_of_its_own() -> None:
    assert len(FAULTS) >= 45
    assert len({fault.id for fault in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
def test_the_line_is_there_once(fault: Fault) -> None:
    """And with the fault in it the file is still Python."""
    assert "\n" not in fault.line + fault.becomes
    assert fault.line != fault.becomes
    ast.parse(broken(fault, PACKAGE))


def collected(*words: str) -> set[str]:
    """What pytest finds."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", *words],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return {line for line in done.stdout.splitlines() if "::" in line}


def test_the_named_tests_exist(request: pytest.FixtureRequest) -> None:
    """In what this run collects, and in what it leaves out."""
    known = {item.nodeid for item in request.session.items}
    named = {fault.test for fault in FAULTS}
    files = {re.split("::| ", test)[0] for test in named} - {test.split("::")[0] for test in known}
    known |= collected(*sorted(files)) if files else set()
    known |= {test.partition("[")[0] for test in known}
    chosen = {tuple(shlex.split(test)) for test in named if " -k " in test}
    assert {test for test in named if " -k " not in test} <= known
    for path, _, word in chosen:
        assert word.isidentifier(), "pytest reads more into it"
        assert any(test.startswith(f"{path}::") and word in test for test in known), word


def test_what_survives_is_told(tmp_path: Path) -> None:
    """A fault that changes nothing survives, as one does whose test does not run."""
    sound = sound_copy(tmp_path / "sound")
    real = Fault(
        "a dimension too many", "dims.py", "return Dim((((), value),) if value else ())",
        "return Dim((((), value + 1),) if value else ())",
        "tests/test_dims.py::test_verdicts_decide_what_specs_need",
    )  # fmt: skip
    assert tried(real, sound, tmp_path / "a") == ("", "")
    idle = replace(real, becomes=f"{real.line}  # the same")
    assert tried(idle, sound, tmp_path / "b")[0] == f"SURVIVED {real.test}"
    with pytest.raises(NotThere, match="0 times, not once"):
        broken(replace(real, line="no such line"), PACKAGE)
    gone = replace(real, test="tests/test_dims.py::gone")
    assert tried(gone, sound, tmp_path / "c")[0] == f"{gone.test} did not run"
    assert seeded_faults.unsound([real.test], sound) == {}
