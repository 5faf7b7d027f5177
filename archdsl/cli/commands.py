"""The commands: what each takes, and what it does with a checked spec."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

import click

from archdsl import LANGUAGE, __version__
from archdsl.cli.captions import FORMS
from archdsl.cli.captions import caption as captioned
from archdsl.cli.output import Progress, Stop, tell, usage, write
from archdsl.cli.paper import PACKAGES, requests
from archdsl.cli.rendering import TYPES, Folder, Look, digest, draw, written
from archdsl.cli.targets import (
    Target,
    checked,
    configuration,
    limited,
    reformatted,
    targets,
    the_target,
    the_variant,
)
from archdsl.diagnostic import Diagnostic, SpecError, printable, to_json
from archdsl.pipeline import THEMES, Checked, Variant
from archdsl.record import replace
from archdsl.shown import MOST_DEPTH, PARTS, Words, asked
from archdsl.source import Source

T = TypeVar("T")

_FORMAT = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    help="Form of error messages.",
)
_SPECS = click.argument("specs", nargs=-1, required=True, metavar="SPEC...")


def run(arguments: list[str]) -> int:
    """Runs a command and returns its exit code; a bug of the program raises under --debug only."""
    debug = "--debug" in arguments
    if debug:
        os.environ["ARCHDSL_DEBUG"] = "1"
    try:
        cli.main(arguments, prog_name="archdsl", standalone_mode=False)
    except Stop as stop:
        if str(stop):
            print(f"archdsl: {stop}", file=sys.stderr)
        return stop.code
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        shown = StringIO()
        error.show(shown)
        print("\n".join(map(printable, shown.getvalue().splitlines())), file=sys.stderr)
        return 2
    except (click.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        # The reader has gone, as `| head` does; what is left in the buffer must not be flushed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except MemoryError:
        print("archdsl: this spec needs more memory than there is", file=sys.stderr)
        return 1
    except Exception as error:
        if debug:
            raise
        reason = printable(f"{type(error).__name__}: {error}")[:200]
        message = f"a mistake of the program itself ({reason}); `archdsl --debug ...` tells where"
        print(f"archdsl: {message}", file=sys.stderr)
        return 1
    return 0


class _Boxed(click.Command):
    """A command whose `--box` takes two lengths, or a ratio in one word."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        joined: list[str] = []
        for word in args:
            after = joined[-2:-1] == ["--box"] and ":" not in joined[-1] and " " not in joined[-1]
            if after and _LENGTH.fullmatch(joined[-1]) and _LENGTH.fullmatch(word):
                joined[-1] += f" {word}"
            else:
                joined.append(word)
        return super().parse_args(ctx, joined)


_LENGTH = re.compile(r"[0-9.]+[a-z]*")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message=f"%(prog)s %(version)s, language {LANGUAGE}")
@click.option(
    "--debug", is_flag=True, help="Check every stage's result, and tell where the program fails."
)
def cli(debug: bool) -> None:
    """Neural-network architectures from one text: checked, counted, drawn and run.

    A SPEC is a file, FILE:Variant, a folder of .arch files, a published config.json, or - for
    standard input.
    """


@cli.command()
@_SPECS
@_FORMAT
def check(specs: tuple[str, ...], form: str) -> None:
    """Check specs: types, shapes, conditions and expected facts."""
    diagnostics: list[Diagnostic] = []
    for target in targets(specs):
        result = checked(target, tiny=True)
        diagnostics.extend(result.diagnostics)
        if form == "text":
            tell(result.diagnostics, form, sys.stderr)
            if not result.diagnostics:
                count = len(result.variants)
                print(f"{printable(target.name)}: ok, {count} variant{'s' if count != 1 else ''}")
    if form == "json":
        tell(diagnostics, form, sys.stdout)
    if diagnostics:
        raise Stop(1, _counted(len(diagnostics)) if form == "text" else "")


@cli.command()
@_SPECS
@_FORMAT
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array of objects.")
@click.option("--csv", "as_csv", is_flag=True, help="Print a row for each model and context.")
@click.option("--latex", "as_latex", is_flag=True, help="Print a table for a paper.")
@click.option("--context", default="", metavar="TOKENS,...",
              help="At so many tokens: 8Ki,32Ki,128Ki.")  # fmt: skip
@click.option("--batch", type=click.IntRange(1, 10**9), default=1, help="Sequences at a time.")
@click.option("--dtype", default="bf16", metavar="DTYPE", help="Of weights: bf16, fp8, mxfp4, ...")
@click.option("--kv-dtype", default="", metavar="DTYPE", help="Of the KV cache.")
@click.option("--fit", default="", metavar="SIZE", help="The longest context that fits in 80GiB.")
@click.option("--bandwidth", default="", metavar="RATE",
              help="Tokens a second that 3.35TB/s of memory allow.")  # fmt: skip
@click.option("--tp", "devices", type=click.IntRange(1, 10**6), default=1, metavar="N",
              help="Bytes of one of N devices, tensor parallel.")  # fmt: skip
def facts(
    specs: tuple[str, ...],
    form: str,
    as_json: bool,
    as_csv: bool,
    as_latex: bool,
    **words: Any,
) -> None:
    """Print what can be counted: parameters, cache, FLOPs, what fits.

    Of one model a page, of several a table. Cache and FLOPs are those at the context that a model
    states, where --context says no other.
    """
    from archdsl.cli import facts as counted

    if as_json + as_csv + as_latex > 1:
        raise usage("--json, --csv and --latex are three forms: choose one")
    ask = counted.asked(**words)
    variants = [variant for target in targets(specs) for variant in _sound(target, form).variants]
    for variant in variants:
        for warning in counted.warnings(variant, ask):
            print(f"archdsl: {printable(warning)}", file=sys.stderr)
    if as_json:
        write("-", to_json(counted.record_of(variant, ask) for variant in variants) + "\n")
    elif as_csv:
        write("-", counted.as_csv(variants, ask))
    elif as_latex:
        write("-", counted.as_latex(counted.table(variants, ask)))
    elif len(variants) == 1:
        write("-", counted.page(variants[0], ask))
    else:
        write("-", counted.as_text(counted.table(variants, ask)))


@cli.command()
@_SPECS
@_FORMAT
@click.option("-t", "--type", "kind", type=click.Choice(FORMS), default="latex",
              help="What the caption is written in.")  # fmt: skip
def caption(specs: tuple[str, ...], form: str, kind: str) -> None:
    """Print captions for figures, with the facts that readers ask for."""
    variants = [variant for target in targets(specs) for variant in _sound(target, form).variants]
    write("-", "".join(f"{captioned(variant, kind)}\n" for variant in variants))


@cli.command("import")
@click.argument("config", metavar="CONFIG.json")
@_FORMAT
@click.option(
    "-o", "--output", default="-", metavar="FILE", help="Where to write; - is standard output."
)
@click.option("--name", default="", help="What readers call the model.")
@click.option("--ignore", multiple=True, metavar="KEY",
              help="A key that changes nothing, such as rope_scaling.note.")  # fmt: skip
@click.option("--spec", multiple=True, metavar="FILE",
              help="A spec of your own whose hubs are looked at first.")  # fmt: skip
def import_(
    config: str, form: str, output: str, name: str, ignore: tuple[str, ...], spec: tuple[str, ...]
) -> None:
    """Turn a published config.json into a spec with one variant.

    Every key of the configuration has to be known to the spec of its model_type, or be one that the
    published class does not read. A spec of one's own lies beside the spec that is written, or
    below it.
    """
    from archdsl.hub import imported
    from archdsl.pipeline import check_source

    shown = "<stdin>" if config == "-" else config
    own = [Path(file) for file in spec]
    place = None if output == "-" else Path(output)
    if place is not None and place.resolve() in [path.resolve() for path in own]:
        message = f"the imported spec would take the place of {output}, which it imports"
        raise Stop(2, f"{message}: give -o another file")
    try:
        folder = Path.cwd() if place is None else place.parent
        outcome = imported(configuration(config, shown), name, shown, ignore, own, folder)
        # The numbers of a configuration may not fit one another.
        beside = folder / "imported.arch" if place is None else place
        checked = check_source(Source(shown, outcome.text, beside), tiny=False)
        if checked.diagnostics:
            raise SpecError(checked.diagnostics)
    except SpecError as error:
        tell(error.diagnostics, form, sys.stderr)
        raise Stop(1, _counted(len(error.diagnostics)) if form == "text" else "") from error
    write(output, outcome.text)
    for remark in outcome.remarks:
        print(f"archdsl: {remark}", file=sys.stderr)


@cli.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@_FORMAT
def doc(names: tuple[str, ...], form: str) -> None:
    """Show blocks and how they are used: the library, a file, a block.

    \b
    archdsl doc                  the files of the standard library
    archdsl doc std.attention    the blocks of a file; ./parts and mine.arch too
    archdsl doc GQA              one block: its import, its documentation, its text
    archdsl doc specs            the specs that ship with the program, with their variants
    """
    from archdsl.cli import manual

    try:
        texts = [manual.about(name) for name in names or ("std",)]
    except SpecError as error:
        tell(error.diagnostics, form, sys.stderr)
        raise Stop(1, _counted(len(error.diagnostics)) if form == "text" else "") from error
    write("-", "\n".join(texts))


@cli.command()
@_SPECS
@_FORMAT
@click.option("--check", is_flag=True, help="Change nothing; exit code 1 if a spec is not in form.")
def fmt(specs: tuple[str, ...], form: str, check: bool) -> None:
    """Rewrite specs in their canonical form; comments are kept.

    With - the text comes from standard input and goes to standard output.
    """
    changed, wrong = [], 0
    for target in targets(specs):
        try:
            old, new = reformatted(target)
        except SpecError as error:
            tell(error.diagnostics, form, sys.stderr)
            wrong += len(error.diagnostics)
            continue
        if old != new:
            changed.append(target)
        if not check and (old != new or target.path is None):
            write("-" if target.path is None else str(target.path), new)
    for target in changed:
        print(
            f"{printable(target.name)}: {'not in form' if check else 'rewritten'}", file=sys.stderr
        )
    if wrong or (check and changed):
        raise Stop(1, _counted(wrong) if wrong and form == "text" else "")


@cli.command()
@click.argument("spec", metavar="SPEC")
@_FORMAT
@click.option(
    "-o", "--output", default="-", metavar="FILE", help="Where to write; - is standard output."
)
def torch(spec: str, form: str, output: str) -> None:
    """Write a variant as a PyTorch module.

    The module is one file that needs only torch.
    """
    target = the_target(spec)
    variant = the_variant(target, _sound(target, form))
    write(output, variant.torch())


@cli.command(cls=_Boxed)
@_SPECS
@_FORMAT
@click.option("-o", "--output", required=True, metavar="FILE|FOLDER",
              help="A file .svg, .png, .pdf or .tex, a folder, or -.")  # fmt: skip
@click.option("-t", "--type", "types", type=click.Choice(TYPES), multiple=True,
              help="Formats for a folder (default: svg and png), or the format of -.")  # fmt: skip
@click.option("--theme", type=click.Choice(THEMES), default="light", help="Colours.")
@click.option("--width", metavar="LENGTH", help="Width of the picture, such as 85mm.")
@click.option("--box", metavar="WIDTH HEIGHT",
              help="Place for a figure: 85mm 100mm, or 16:9 for a slide.")  # fmt: skip
@click.option("--without", multiple=True, type=click.Choice(PARTS),
              help="Leave out a part of the picture.")  # fmt: skip
@click.option("--scale", type=click.FloatRange(min=0.01, max=100), help="Factor on the size.")
@click.option("--dpi", type=click.FloatRange(min=1, max=10_000), help="Dots an inch of a PNG.")
@click.option("--view", default="", metavar="VIEW",
              help="card, compact (one column), block, detail:BLOCK, strip or facts.")  # fmt: skip
@click.option("--depth", type=click.IntRange(1, MOST_DEPTH), default=None, metavar="N",
              help="Levels of open blocks: 1 folds stacks, 2 is usual, 9 opens all.")  # fmt: skip
@click.option("--open", multiple=True, metavar="PATH", help="Open a block in its place.")
@click.option("--fold", multiple=True, metavar="PATH", help="Show a block as a closed box.")
@click.option("--shapes", is_flag=True, help="Write its shape beside every wire.")
@click.option("--text", type=click.Choice(["font", "path"]), default="font",
              help="Text of an SVG: with its font, or as outlines.")  # fmt: skip
@click.option("--font", metavar="FILE",
              help="A font for characters that the shipped one lacks.")  # fmt: skip
@click.option("--to-scale", is_flag=True,
              help="One picture of all: areas for parameters, heights for layers.")  # fmt: skip
@click.option("--prefix", metavar="NAME", help="Put before every id of an SVG.")
def render(
    specs: tuple[str, ...], form: str, output: str, types: tuple[str, ...], **look: Any
) -> None:
    """Draw cards.

    The suffix of the output says the format; a folder takes a file for each variant.
    """
    together = look.pop("to_scale")
    words = {name: look.pop(name) for name in Words.__annotations__}
    words["depth"] = words["depth"] or 0
    shown = Look(**look, shown=_guarded(partial(asked, **words)))
    if shown.box and shown.width:
        raise usage("--box says how wide a figure is: leave out --width")
    if together and output != "-" and not Path(output).suffix:
        raise usage("--to-scale makes one picture: name a file .svg, .png, .pdf or .tex")
    if output != "-" and (output.endswith("/") or not Path(output).suffix or _is_folder(output)):
        _render_folder(specs, form, Path(output), types or ("svg", "png"), shown)
        return
    type = Path(output).suffix[1:].lower() if output != "-" else (types or ("svg",))[0]
    if type not in TYPES or (types and types != (type,)):
        raise usage(f"{output}: a card is written as .svg, .png, .pdf or .tex")
    if together:
        write(output, _scaled(specs, form, type, shown))
        return
    if len(specs) > 1 and shown.box:
        picture, remark = _side_by_side(specs, form, type, shown)
        _say("figure", remark)
        write(output, picture)
        return
    if len(specs) > 1:
        raise usage("several specs need a folder as output, --box or --to-scale")
    target = the_target(specs[0])
    variant = the_variant(target, _sound(target, form))
    picture, remark = _drawn(variant, type, shown)
    _say(variant.model.id, remark)
    write(output, picture)


def _is_folder(path: str) -> bool:
    with suppress(OSError):  # of a name that is too long, the one who writes will tell
        return Path(path).is_dir()
    return False


def _render_folder(
    specs: tuple[str, ...], form: str, path: Path, types: tuple[str, ...], look: Look
) -> None:
    """Every variant of every spec that checks; specs with errors leave their files as they are."""
    chosen = targets(specs)
    folder, progress, wrong = Folder(path, look), Progress(len(chosen)), 0
    places: dict[str, str] = {}
    for target in chosen:
        progress.step(printable(target.name))
        result = checked(target)
        if result.diagnostics:
            progress.end()
            tell(result.diagnostics, form, sys.stderr)
            wrong += 1
            continue
        for variant in result.variants:
            id = variant.model.id
            other = places.setdefault(id.casefold(), target.name)
            if other != target.name:
                raise usage(f"{other} and {target.name} both have a variant {id}: one file for two")
            made_from = digest(result, id, look)
            for type in dict.fromkeys(types):
                _say(id, folder.put(id, type, made_from, partial(_drawn, variant, type, look)))
    progress.end()
    folder.close()
    remark = f"{path.as_posix()}: {folder.written} written, {folder.kept} unchanged"
    print(printable(remark), file=sys.stderr)
    if wrong:
        raise Stop(1, f"{wrong} of {len(chosen)} specs with errors")


MOST_SIDE_BY_SIDE = 6
"""No more models stand side by side in a figure."""


def _side_by_side(specs: tuple[str, ...], form: str, type: str, look: Look) -> tuple[bytes, str]:
    """The variants of the specs side by side in the box, and what has no room there."""
    from archdsl.cli.rendering import side_by_side

    variants = [the_variant(t, _sound(t, form)) for spec in specs for t in [the_target(spec)]]
    if len(variants) > MOST_SIDE_BY_SIDE:
        raise usage(f"no more than {MOST_SIDE_BY_SIDE} models stand side by side in a box")
    return _guarded(lambda: side_by_side(variants, type, look))


def _scaled(specs: tuple[str, ...], form: str, type: str, look: Look) -> bytes:
    """All variants of the specs in one picture to scale."""
    from archdsl.pipeline import to_scale

    variants = [variant for target in targets(specs) for variant in _sound(target, form).variants]
    return _guarded(lambda: written(to_scale(variants, look.theme), type, look))


@cli.command()
@click.argument("paper", metavar="FILE.cards")
@_FORMAT
@click.option("-t", "--type", "types", type=click.Choice(TYPES), multiple=True,
              help="Formats (default: pdf).")  # fmt: skip
@click.option("--text", type=click.Choice(["font", "path"]), default="font",
              help="Text of an SVG: with its font, or as outlines.")  # fmt: skip
def cards(paper: str, form: str, types: tuple[str, ...], text: str) -> None:
    """Draw the cards that a paper asks for.

    LaTeX with the package archdsl writes the FILE, `typst query` prints it; the cards go to the
    folder archdsl-cards. What has not changed is not drawn again. A card that cannot be drawn does
    not keep the others from it.
    """
    asked_for, wrong, code = requests(limited(paper, paper), paper), 0, 0
    for request in asked_for:
        folder = Path(request.folder)
        try:
            look = replace(_guarded(request.look), text=text)
            _render_folder((request.spec,), form, folder, types or ("pdf",), look)
        except Stop as stop:
            if str(stop):
                print(f"archdsl: {stop}", file=sys.stderr)
            wrong, code = wrong + 1, max(code, stop.code)
            continue
        for type in types or ("pdf",):  # LaTeX asks which is newer, the spec or its card
            with suppress(OSError):
                (folder / f"{request.variant}.{type}").touch(exist_ok=True)
    if wrong:
        raise Stop(code, f"{wrong} of {len(asked_for)} cards could not be drawn")


_OUTPUT = click.option(
    "-o", "--output", default="-", metavar="FILE", help="Where to write; - is standard output."
)


@cli.command()
@_OUTPUT
def latex(output: str) -> None:
    """Write archdsl.sty, the LaTeX package with \\archcard.

    It belongs beside the paper: archdsl latex -o archdsl.sty
    """
    write(output, (PACKAGES / "archdsl.sty").read_bytes())


@cli.command()
@_OUTPUT
def typst(output: str) -> None:
    """Write archdsl.typ, the Typst file with #archcard.

    It belongs beside the paper: archdsl typst -o archdsl.typ
    """
    write(output, (PACKAGES / "archdsl.typ").read_bytes())


def _drawn(variant: Variant, type: str, look: Look) -> tuple[bytes, str]:
    """A picture, and what a reader should know of it."""
    return _guarded(lambda: draw(variant, type, look))


def _say(variant: str, remark: str) -> None:
    if remark:
        print(printable(f"{variant}: {remark}"), file=sys.stderr)


def _guarded(make: Callable[[], T]) -> T:
    """What is made; a size that cannot be drawn and a missing library end the command."""
    try:
        return make()
    except ValueError as error:
        raise usage(str(error)) from error
    except Exception as error:
        from archdsl.render.missing import MissingLibrary

        if isinstance(error, MissingLibrary):
            raise Stop(3, str(error)) from error
        raise


def _sound(target: Target, form: str) -> Checked:
    """A spec without errors; raises Stop after telling them."""
    result = checked(target)
    if result.diagnostics:
        tell(result.diagnostics, form, sys.stderr)
        raise Stop(1, _counted(len(result.diagnostics)) if form == "text" else "")
    return result


def _counted(errors: int) -> str:
    return f"{errors} error{'s' if errors != 1 else ''}"
