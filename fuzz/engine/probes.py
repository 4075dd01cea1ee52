"""Coverage probes written into the syntax tree of the code under test.

An import hook compiles the chosen modules with `counters[k] = 1` at the start of each block: function, branch, loop,
handler, case. Measured on this project's kind of code, atheris's bytecode probes slow branchy loops 4 to 40 times,
these 1.4 to 2.7 times (engine fact sheet, 3.1), and their numbers depend on the source alone, so they are equal in
each process.

What is left out: module and class bodies (they run once), comprehensions and lambdas (one expression: no branch to
take), and comparisons, which are not traced; the mutators know the formats instead.

Modules are compiled from source at each start and never cached, so that an instrumented module is never mistaken for
a plain one.
"""

from __future__ import annotations

import ast
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, ModuleSpec, PathFinder, SourceFileLoader
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType, ModuleType

NAME = "__vmfuzz_counters__"


class _Writer(ast.NodeTransformer):
    """Puts a probe at the start of each block inside functions."""

    def __init__(self, first: int, limit: int) -> None:
        self.next = first
        self.lines: dict[int, int] = {}
        self._limit = limit
        self._inside = False

    def _probe(self, near: ast.AST) -> ast.stmt:
        index = self.next % self._limit
        self.next += 1
        self.lines.setdefault(index, getattr(near, "lineno", 0))
        target = ast.Subscript(ast.Name(NAME, ast.Load()), ast.Constant(index), ast.Store())
        probe = ast.Assign([target], ast.Constant(1), lineno=0)
        return ast.fix_missing_locations(ast.copy_location(probe, near))

    def _block(self, body: list[ast.stmt], keep: int = 0) -> None:
        if body:
            body.insert(keep, self._probe(body[min(keep, len(body) - 1)]))

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        outer, self._inside = self._inside, True
        self.generic_visit(node)
        self._inside = outer
        first = node.body[0]
        documented = (
            isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
        )
        if documented and len(node.body) == 1:
            return node  # a protocol's stub
        self._block(node.body, 1 if documented else 0)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _branching(self, node: ast.AST) -> ast.AST:
        self.generic_visit(node)
        if self._inside:
            for part in ("body", "orelse", "finalbody"):
                block = getattr(node, part, None)
                # `elif` is an `if` alone in an else block and gets its own probes.
                if block and not (part == "orelse" and len(block) == 1 and isinstance(block[0], ast.If)):
                    self._block(block)
        return node

    visit_If = visit_For = visit_While = visit_AsyncFor = _branching  # noqa: N815
    visit_ExceptHandler = visit_match_case = visit_Try = _branching  # noqa: N815


def instrument(
    source: bytes | str, filename: str, first: int, limit: int, lines: dict[int, int] | None = None
) -> tuple[CodeType, int]:
    """Compile `source` with probes numbered from `first` (modulo `limit`); returns the code and the next number.

    `lines` is told the line of each probe.
    """
    writer = _Writer(first, limit)
    tree = writer.visit(ast.parse(source, filename))
    if lines is not None:
        lines.update(writer.lines)
    return compile(tree, filename, "exec", dont_inherit=True), writer.next


class _Loader(SourceFileLoader):
    """Compiles a module with probes instead of taking it from the byte-code cache."""

    def __init__(self, fullname: str, path: str, finder: ProbeFinder) -> None:
        super().__init__(fullname, path)
        self._finder = finder

    def get_code(self, fullname: str) -> CodeType:
        """The module's code with probes, always compiled from its source."""
        path = self.get_filename(fullname)
        finder = self._finder
        lines: dict[int, int] = {}
        code, finder.count = instrument(self.get_data(path), path, finder.count, finder.limit, lines)
        for number, line in lines.items():
            finder.places.setdefault(number, (fullname, line))
        return code

    def exec_module(self, module: ModuleType) -> None:
        """Run the module with the counters within its reach."""
        module.__dict__[NAME] = self._finder.counters
        super().exec_module(module)


class ProbeFinder(MetaPathFinder):
    """Finds the modules named by `packages` (a package with all below it, or a single module), less those `without`."""

    def __init__(self, packages: Sequence[str], counters: bytearray, limit: int, without: Sequence[str] = ()) -> None:
        self.packages = tuple(packages)
        self.without = frozenset(without)
        self.counters = counters
        self.limit = limit
        self.count = 0
        self.places: dict[int, tuple[str, int]] = {}
        """Of each probe its module and line; of those that share a counter the first."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The import system's question; answered for chosen modules that have a source file."""
        if not any(fullname == name or fullname.startswith(f"{name}.") for name in self.packages):
            return None
        if fullname in self.without:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or not isinstance(spec.loader, SourceFileLoader):
            spec = _from_source(fullname, sys.path if path is None else path) or spec
        if spec is None or not isinstance(spec.loader, SourceFileLoader) or spec.origin is None:
            return spec
        spec.loader = _Loader(fullname, spec.origin, self)
        spec.cached = None
        return spec


def _from_source(fullname: str, path: Sequence[str]) -> ModuleSpec | None:
    """The module's source file, where something else than a file would be loaded: a bundle may have both."""
    for folder in path:
        spec = FileFinder(folder, (SourceFileLoader, SOURCE_SUFFIXES)).find_spec(fullname)
        if spec is not None and spec.loader is not None:
            return spec
    return None


def install(packages: Sequence[str], counters: bytearray, limit: int, without: Sequence[str] = ()) -> ProbeFinder:
    """Instrument these packages from now on; modules imported earlier stay as they are. Undo with `remove`."""
    finder = ProbeFinder(packages, counters, limit, without)
    sys.meta_path.insert(0, finder)
    return finder


def remove(finder: ProbeFinder) -> None:
    """Stop instrumenting imports."""
    if finder in sys.meta_path:
        sys.meta_path.remove(finder)
