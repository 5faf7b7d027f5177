"""The head of a block: its role, its kinds of settings, names that are declared once."""

from __future__ import annotations

from archdsl import syntax as s
from archdsl.check.scope import Scope
from archdsl.check.values import is_kind
from archdsl.diagnostic import nearest
from archdsl.ops import INTRINSICS, ROLES


def header(scope: Scope, decl: s.BlockDecl) -> None:
    """Reports roles, intrinsics and kinds that there are not."""
    if decl.role is not None and decl.role.name.name not in ROLES:
        name = decl.role.name
        hint = nearest(name.name, ROLES) or f"one of {', '.join(ROLES)}"
        scope.fail("unknown-role", f"there is no role {name.name}", name.span, help=hint)
    if decl.lowers is not None and decl.lowers.intrinsic.name not in INTRINSICS:
        name = decl.lowers.intrinsic
        hint = nearest(name.name, INTRINSICS) or f"one of {', '.join(INTRINSICS)}"
        scope.fail("unknown-intrinsic", f"nothing lowers to {name.name}", name.span, help=hint)
    elif decl.lowers is not None:
        _kernel_fits(scope, decl, decl.lowers.intrinsic)
    for setting in decl.settings:
        match setting.kind:
            case s.SimpleKind(kind, span) if not is_kind(setting.kind):
                hint = "dim, count, float, bool, enum(...), list(...) or a signature"
                if kind == "block":
                    hint = "a slot needs a type: write [B, T, d] -> [B, T, d]"
                elif kind == "int":
                    hint = f"without a kind it is an integer of at least 1: {setting.name.name}"
                scope.fail("kind-mismatch", f"there is no kind {kind}", span, help=hint)
            case s.KindOf(kind, _, span) if not is_kind(setting.kind):
                scope.fail("kind-mismatch", f"there is no kind {kind}", span)


def _kernel_fits(scope: Scope, decl: s.BlockDecl, name: s.Name) -> None:
    """Reports what a kernel needs by name and a block does not always have."""
    needs = INTRINSICS[name.name]
    settings = {x.name.name for x in decl.settings}
    held = [x for x in decl.body if isinstance(x, s.ParamStatement)]
    always = {x.name.name for x in held if x.guard is None}
    for what, wanted, known in (
        ("parameter", needs.params, always),
        ("setting", needs.settings, settings),
    ):
        for missing in wanted:
            if missing not in known:
                message = f"{name.name} needs a {what} {missing}, which {decl.name.name} has not"
                help = f"call it {missing}, or leave `lowers {name.name}` out"
                scope.fail("unknown-intrinsic", message, name.span, help=help)


def unique(scope: Scope, name: s.Name) -> None:
    """Reports a name that is declared twice."""
    if name.name in scope.names:
        help = "choose another name for one of them"
        scope.fail("duplicate-name", f"{name.name} is declared twice", name.span, help=help)
