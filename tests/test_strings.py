"""Strings of a spec stay strings: no markup in a card, no code in a module, nothing in a terminal.

A text that means something to XML, to Python, to a terminal or to `str.format` is put wherever a
spec has a text. The card then shows it as text, and the module has the same statements as that of a
harmless text.
"""

import ast
import io
import subprocess
import sys
import tokenize
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from archdsl import pipeline
from archdsl.source import Source

ROOT = Path(__file__).parent.parent
HARMLESS = "Plain"
TEXTS = {
    "docstring": '"""\nimport os\nos.system("id")\n"""',
    "quotes": "'''\"\"\"'\"",
    "one quote at the end": 'a"',
    "markup": "</text></svg><script>alert(1)</script>",
    "attribute": '" onload="alert(1)',
    "entity": "&lt;b&gt; &amp;#60; &xxe;",
    "cdata": "]]><![CDATA[x",
    "comment": "--> <!-- x",
    "style": "</style><script>alert(1)</script>",
    "line breaks": "a\nimport os\nimport sys",
    "trailing backslash": "a\\",
    "escapes": "\\x41\\N{BULLET}\\u0041\\",
    "format": "%s %(x)s {0} {} {{x}} {self.__class__}",
    "long": "x" * 5000,
    "link": "https://example.org/ javascript:alert(1)",
}
INVISIBLE = {
    "line breaks": "a\r\nimport sys\u2028import re\x85x\x0cy",
    "terminal": "\x1b[31mred\x1b[0m\x07\x08",
    "direction": "\u202eabc\u2066",
    "null": "a\x00b",
}
"""Texts that are refused: what cannot be seen steers a terminal, or ends a line elsewhere."""
SPEC = """use std.core: Embedding, Linear

{doc}
model M(d)(stream tokens: int[B, T]) -> [B, T, d] {{
  embed = Embedding(17, d)
  part  = Part(d)
  return tokens |> embed |> part
}}

{doc}
block Part(d)(x: [B, T, d]) -> [B, T, d]
as feed_forward {text} {{
  f = Linear(d, d)
  return x |> f
}}

tiny M {{ d: 4 }}

{doc}
variant V = M(d: 8) {{
  name: {text}
  by: {text}
  license: {text}
  source: {text}
  after: {text}
}}

card V {{
  inset(part)
  callout(part): {plain}
}}

hub M "m" {{
  config {{ d <- .d }}
  weights {{
    embed.weight  <- {plain}
    part.f.weight <- "w"
    skip {plain}
  }}
}}
"""


def quoted(text: str) -> str:
    """A text as a literal of the language."""
    safe = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{safe}"'


def spec(text: str) -> str:
    """Braces have a meaning in callouts (settings) and keys (indices): there they are brackets."""
    doc = "\n".join(f"## {line}" for line in text.split("\n"))
    plain = quoted(text.replace("{", "[").replace("}", "]"))
    return SPEC.format(text=quoted(text), plain=plain, doc=doc)


def variant(text: str) -> pipeline.Variant:
    found = pipeline.check_source(Source("strings.arch", spec(text)))
    assert not found.diagnostics, found.diagnostics[0].text()
    return found.variants[0]


def shape(code: str) -> str:
    """The statements of a module without the values of its strings."""

    class Blank(ast.NodeTransformer):
        def visit_Constant(self, node: ast.Constant) -> ast.Constant:
            return ast.Constant("" if isinstance(node.value, str) else node.value)

        def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
            inner = [v for v in node.values if isinstance(v, ast.FormattedValue)]
            return ast.JoinedStr([self.visit(v) for v in inner])

    return ast.dump(Blank().visit(ast.parse(code)))


@pytest.mark.parametrize("name", TEXTS)
def test_cards_show_text(name: str) -> None:
    """The picture has the elements and attributes of any card, and the text as text."""
    svg = variant(TEXTS[name]).svg()
    root = ET.fromstring(svg)
    plain = ET.fromstring(variant(HARMLESS).svg())
    assert {e.tag for e in root.iter()} <= {e.tag for e in plain.iter()}
    for element in root.iter():
        assert not [a for a in element.attrib if a.lower().startswith("on")]
        assert not [v for a, v in element.attrib.items() if a.endswith("href")]
    shown = "".join(root.itertext())
    assert not [c for c in shown if ord(c) < 32 and c not in "\n\t"]
    if name in ("markup", "attribute", "entity", "cdata", "quotes", "format"):
        assert TEXTS[name] in shown


@pytest.mark.parametrize("name", TEXTS)
def test_modules_have_no_other_statements(name: str) -> None:
    code = variant(TEXTS[name]).torch()
    compile(code, "model.py", "exec")
    list(tokenize.generate_tokens(io.StringIO(code).readline))
    assert shape(code) == shape(variant(HARMLESS).torch())
    # What Python takes for a line break, and what a terminal or a reader would obey, is not raw.
    assert not [c for c in code if not c.isprintable() and c != "\n"]


@pytest.mark.parametrize("name", TEXTS)
def test_messages_print_no_controls(name: str, tmp_path: Path) -> None:
    """Facts and diagnostics about such a spec steer no terminal."""
    (tmp_path / "x.arch").write_text(spec(TEXTS[name]), encoding="utf-8")
    broken = spec(TEXTS[name]).replace("embed |> part", "embed |> nothing").replace("by:", "wrong:")
    (tmp_path / "y.arch").write_text(broken, encoding="utf-8")
    for command in (["facts", "x.arch"], ["check", "y.arch"]):
        done = subprocess.run(
            [sys.executable, "-m", "archdsl", *command],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT), "PATH": ""},
            capture_output=True,
            encoding="utf-8",
            timeout=20,
            check=False,
        )
        assert done.returncode == (0 if command[0] == "facts" else 1), done.stderr
        assert "Traceback" not in done.stderr
        printed = done.stdout + done.stderr
        assert not [c for c in printed if not c.isprintable() and c != "\n"]


@pytest.mark.parametrize("name", INVISIBLE)
def test_invisible_characters_are_refused(name: str) -> None:
    found = pipeline.check_source(Source("strings.arch", spec(INVISIBLE[name]))).diagnostics
    assert found and all(d.code == "syntax" for d in found)
    assert not [c for d in found for c in d.text() if not c.isprintable() and c != "\n"]
