"""Groups of facts: each word that facts begin with has one, so that an ablation leaves out what it says."""

from __future__ import annotations

import ast
from pathlib import Path

from mutants import machine, stream

import fuzz.targets.situations
import model.situation.pending
from fuzz.targets.situations import GROUPS, Situations, group_of, of_end
from model import DESIGNS, load
from vmformat import write


def first_words(*files: Path) -> set[str]:
    """Texts at the beginning of tuples that these files make."""
    return {
        node.elts[0].value
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Tuple)
        and len(node.elts) > 1
        and isinstance(node.elts[0], ast.Constant)
        and isinstance(node.elts[0].value, str)
    }


def test_no_word_is_in_two_groups() -> None:
    words = [word for group in GROUPS.values() for word in group]
    assert len({*words}) == len(words)
    assert all(group_of((word, 1)) == group for group, those in GROUPS.items() for word in those)
    assert group_of(("nobody", 1)) == ""


def test_each_word_that_facts_begin_with_has_a_group() -> None:
    folder = Path(fuzz.targets.situations.__file__).parent
    files = [folder / f"{name}.py" for name in ("devices", "ends", "layout", "situations")]
    yielded = {
        str(node.value.elts[0].value)
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Yield)
        and isinstance(node.value, ast.Tuple)
        and isinstance(node.value.elts[0], ast.Constant)
    }
    reads = {word for word in first_words(Path(model.situation.pending.__file__)) if word.startswith("read-")}
    assert len(yielded) > 20
    assert len(reads) == 5
    assert all(group_of((word,)) for word in (*yielded, *reads)), {word for word in yielded if not group_of((word,))}


def test_whatever_a_load_tells_has_a_group() -> None:
    bench, data = machine("pc-small"), write(stream("pc-small"))
    seen = set()
    for design in ("per-device", "wrap-main"):
        outcome = load(bench, data, DESIGNS[design]())
        facts = [*of_end(outcome), *Situations().of_outcome(outcome)]
        bench.reset()
        assert not [fact for fact in facts if not group_of(fact)]
        seen |= {group_of(fact) for fact in facts}
    assert seen >= {"ends", "reads", "layout", "registers", "queues", "listeners"}
