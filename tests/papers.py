"""A paper in a folder of its own, with a spec, both packages and `archdsl` on the path."""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from archdsl.cli.paper import PACKAGES

ROOT = Path(__file__).parent.parent
SPEC = """use std.core: Linear, Embedding
model M(d, n = 2)(stream tokens: int[B, T]) -> [B, T, d] {
  embed  = Embedding(100, d)
  layers = stack(n * Linear(d, d))
  return tokens |> embed |> layers
}
tiny M { d: 4 }
variant Small = M(d: 8) { name: "Small one" }
"""
SMALL = "models/m.arch:Small"
REST = ("height", "depth", "open", "fold", "shapes", "without")
SOUND = {"spec": SMALL, "theme": "light", "view": "", "width": ""} | dict.fromkeys(REST, "")
LIGHT = "archdsl-cards/models+m.arch+light"


needs_latex = pytest.mark.skipif(
    any(shutil.which(command) is None for command in ("pdflatex", "pdftotext")),
    reason="needs pdflatex and pdftotext",
)


class Paper:
    """A folder with a spec, both packages and `archdsl` on the path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "models").mkdir(parents=True)
        (folder / "models/m.arch").write_text(SPEC)
        (folder / "bin").mkdir()
        program = folder / "bin/archdsl"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m archdsl "$@"\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        for package in ("archdsl.sty", "archdsl.typ"):
            shutil.copyfile(PACKAGES / package, folder / package)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        env = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "max_print_line": "1000"}
        return subprocess.run(
            command, cwd=self.folder, env=env, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, errors="replace", check=False, timeout=120,
        )  # fmt: skip

    def archdsl(self, *words: str) -> str:
        done = self.run("archdsl", *words)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def latex(
        self,
        *body: str,
        shell: bool = False,
        engine: str = "pdflatex",
        options: str = "",
        name: str = "paper",
        more: tuple[str, ...] = (),
    ) -> str:
        """The messages of a run over a paper with these paragraphs."""
        head = rf"\documentclass[{options}]{{article}}"
        lines = [head, r"\usepackage{archdsl}", r"\begin{document}"]
        paper = [*lines, *(f"{line}\n" for line in body), r"\end{document}"]
        (self.folder / f"{name}.tex").write_text("\n".join(paper))
        escape = "-shell-escape" if shell else "-no-shell-escape"
        done = self.run(engine, escape, *more, "-interaction=nonstopmode", f"{name}.tex")
        return " ".join(done.stdout.replace("(archdsl)", "").split())

    def text(self, file: str = "paper.pdf") -> str:
        return self.run("pdftotext", "-raw", file, "-").stdout

    def cards(self) -> list[str]:
        found = (self.folder / "archdsl-cards").rglob("*.*")
        names = (p.relative_to(self.folder).as_posix() for p in found if p.is_file())
        return sorted(name for name in names if ".digests" not in name)


def box(file: Path) -> float:
    """The width of a PDF's only page, in points."""
    found = re.search(rb"/MediaBox \[ 0 0 ([\d.]+)", file.read_bytes())
    assert found is not None
    return float(found[1])


HOSTILE = (
    r"$(touch hacked):V",
    r"`touch hacked`:V",
    r"models/m.arch:Small;touch hacked",
    r"models/m.arch:Small|touch hacked",
    r"models/m.arch:Small \write18{touch hacked}",
    r"--help:V",
    r"-o:V",
    r"models/m.arch",
    r"models/m.arch:Small:Small",
    r"models/m ö.arch:Small",
    "models/m.arch:Sm\\^^M",
)
