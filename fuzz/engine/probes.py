"""Coverage probes written into the syntax tree of the code under test.

An import hook compiles the chosen modules with `counters[k] = 1` at the start of each block: function, branch, loop,
handler, case. Measured on this project's kind of code, atheris's bytecode probes slow branchy loops 4 to 40 times,
these 1.4 to 2.7 times (engine fact sheet, 3.1), and their numbers depend on the source alone, so they are equal in
each process.

What is left out: module and class bodies (they run once), comprehensions and lambdas (one expression: no branch to
take), and comparisons, which are not traced; the mutators know the formats instead.

What an input lights is to be a function of that input, whatever ran before in the process. So what is done once and
then remembered lights nothing: functions that `functools` remembers the results of, and those that are named in
`without` because they fill a cache of their own, are *quiet*, with all that they call.

A module's probes have the same numbers whenever it is imported: each has its share of them from the start, in the
order of modules' names. What compiling came to is kept for the next process under a name of its own (`kept`), so that
an instrumented module is never mistaken for a plain one.
"""

from __future__ import annotations

import ast
import re
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fuzz.engine.kept import digest, keep, kept

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from types import CodeType, ModuleType

NAME: Final = "__vmfuzz_counters__"
_BEFORE: Final = "__vmfuzz_before__"
_WRITER: Final = Path(__file__).read_bytes()
"""This file: another one may write other probes."""
_REMEMBERS: Final = frozenset({"lru_cache", "cache"})
_BLOCKS: Final = re.compile(
    rb"^[ \t]*(?:async[ \t]+)?(?:def|if|elif|else|for|while|try|except|finally|case)\b", re.MULTILINE
)
"""Where blocks begin, and perhaps a few lines of text that look like it: never fewer than there are probes."""


class _Writer(ast.NodeTransformer):
    """Puts a probe at the start of each block inside functions."""

    def __init__(self, first: int, limit: int, quiet: Collection[str] = ()) -> None:
        self.next = first
        self.lines: dict[int, int] = {}
        self.met: set[str] = set()
        """Those of `quiet` that are there."""

        self._limit = limit
        self._quiet = frozenset(quiet)
        self._inside = False
        self._name: tuple[str, ...] = ()

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

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        outer, self._name = self._name, (*self._name, node.name)
        self.generic_visit(node)
        self._name = outer
        return node

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        if self._is_quiet(node):
            return self._silenced(node)
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

    def _is_quiet(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        name = ".".join((*self._name, node.name))
        if name in self._quiet and not self._inside:
            self.met.add(name)
            return True
        makers = (one.func if isinstance(one, ast.Call) else one for one in node.decorator_list)
        return any(
            (one.attr if isinstance(one, ast.Attribute) else getattr(one, "id", "")) in _REMEMBERS for one in makers
        )

    def _silenced(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        """The function with all counters afterwards as before. Copying them takes less than a microsecond."""
        first = ast.parse(f"{_BEFORE} = {NAME}[:{self._limit}]").body
        last = ast.parse(f"{NAME}[:{self._limit}] = {_BEFORE}").body
        keep = 1 if ast.get_docstring(node) is not None else 0
        body = ast.Try(node.body[keep:] or [ast.Pass()], [], [], last)
        node.body[keep:] = [*first, body]
        for statement in node.body[keep:]:
            ast.copy_location(statement, node)
        return ast.fix_missing_locations(node)

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
    source: bytes | str,
    filename: str,
    first: int,
    limit: int,
    lines: dict[int, int] | None = None,
    quiet: Collection[str] = (),
) -> tuple[CodeType, int]:
    """Compile `source` with probes numbered from `first` (modulo `limit`); returns the code and the next number.

    `lines` is told the line of each probe. `quiet`: functions, and methods as `Class.method`, that light nothing; no
    generators. Raises ValueError if one of them is not there.
    """
    writer = _Writer(first, limit, quiet)
    tree = writer.visit(ast.parse(source, filename))
    if missing := sorted({*quiet} - writer.met):
        raise ValueError(f"{filename}: no function {', '.join(missing)}, which should light no probe")
    if lines is not None:
        lines.update(writer.lines)
    return compile(tree, filename, "exec", dont_inherit=True), writer.next


class _Loader(SourceFileLoader):
    """Compiles a module with probes, or takes what that came to last time; never Python's own byte code."""

    def __init__(self, fullname: str, path: str, finder: ProbeFinder) -> None:
        super().__init__(fullname, path)
        self._finder = finder

    def get_code(self, fullname: str) -> CodeType:
        """The module's code with probes."""
        path, finder = self.get_filename(fullname), self._finder
        first, quiet = finder.firsts.get(fullname, 0), finder.quiet.get(fullname, ())
        source = self.get_data(path)
        made_of = digest(source, repr((path, first, finder.limit, sorted(quiet))).encode(), _WRITER)
        found: tuple[CodeType, int, dict[int, int]] | None = kept(path, made_of)
        if found is None:
            lines: dict[int, int] = {}
            code, behind = instrument(source, path, first, finder.limit, lines, quiet)
            keep(path, made_of, (code, behind, lines))
        else:
            code, behind, lines = found
        finder.count += behind - first
        for number, line in lines.items():
            finder.places.setdefault(number, (fullname, line))
        return code

    def exec_module(self, module: ModuleType) -> None:
        """Run the module with the counters within its reach."""
        module.__dict__[NAME] = self._finder.counters
        super().exec_module(module)


class ProbeFinder(MetaPathFinder):
    """Finds the modules named by `packages` (a package with all below it, or a single module), less those `without`.

    A name `module:function` in `without` makes one function quiet, with all that it calls.
    """

    def __init__(self, packages: Sequence[str], counters: bytearray, limit: int, without: Sequence[str] = ()) -> None:
        self.packages = tuple(packages)
        self.without = frozenset(name for name in without if ":" not in name)
        self.quiet: dict[str, set[str]] = {}
        for module, colon, function in (name.partition(":") for name in without):
            if colon:
                self.quiet.setdefault(module, set()).add(function)
        self.counters = counters
        self.limit = limit
        self.firsts: dict[str, int] = {}
        """The number of each module's first probe."""

        self.count = 0
        self.places: dict[int, tuple[str, int]] = {}
        """Of each probe its module and line; of those that share a counter the first."""

        first = 0
        for module, file in sorted(_modules(self.packages)):
            if self.wants(module):
                self.firsts[module] = first
                first += len(_BLOCKS.findall(file.read_bytes()))

    def wants(self, module: str) -> bool:
        """Whether a module of that name gets probes."""
        return _below(module, self.packages) and not _below(module, self.without)

    def others(self) -> list[str]:
        """The modules beside and below those packages that get none."""
        return sorted(module for module, _ in _modules(self.packages) if not self.wants(module))

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The import system's question; answered for chosen modules that have a source file."""
        if not self.wants(fullname):
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


def _below(module: str, names: Collection[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)


def _modules(packages: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """The modules in and around these packages, and their files; nothing is imported."""
    for top in {name.partition(".")[0] for name in packages}:
        spec = PathFinder.find_spec(top)
        if spec is None or not isinstance(spec.loader, SourceFileLoader):
            spec = _from_source(top, sys.path)
        if spec is None or spec.origin is None:
            continue
        for folder in spec.submodule_search_locations or ():
            for file in Path(folder).rglob("*.py"):
                parts = file.relative_to(folder).with_suffix("").parts
                yield ".".join((top, *(parts[:-1] if parts[-1] == "__init__" else parts))), file
        if spec.submodule_search_locations is None:
            yield top, Path(spec.origin)


def install(packages: Sequence[str], counters: bytearray, limit: int, without: Sequence[str] = ()) -> ProbeFinder:
    """Instrument these packages from now on; modules imported earlier stay as they are. Undo with `remove`."""
    finder = ProbeFinder(packages, counters, limit, without)
    sys.meta_path.insert(0, finder)
    return finder


def remove(finder: ProbeFinder) -> None:
    """Stop instrumenting imports."""
    if finder in sys.meta_path:
        sys.meta_path.remove(finder)
