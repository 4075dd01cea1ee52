"""How outcomes differ, and how the new ones get into the text of a JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.replay.json_text import put
from fuzz.replay.outcomes import Difference, differences, keys, lines

TABLE: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "nothing": (
        {"verdict": "accepted", "causes": ["b", "a"]},
        {"verdict": "accepted", "causes": ["a", "b"], "x": 1},
        [],
    ),
    "values": (
        {"verdict": "accepted", "section": None, "offset": 7, "rebuilds": 1},
        {"verdict": "aborted", "section": "", "offset": 7, "rebuilds": 0},
        [
            "            expected  found",
            "  verdict   accepted  aborted",
            '  section   none      ""',
            "  rebuilds  1         0",
        ],
    ),
    "readers": (
        {"harmful_reads": {"vring": 3, "timer": 1}},
        {"harmful_reads": {"vring": 2, "mmio": 1}},
        [
            "           expected  found",
            "  harmful_reads",
            "    vring  3         2",
            "    timer  1         (absent)",
            "    mmio   (absent)  1",
        ],
    ),
    "causes": (
        {"causes": ["a/b", "c/d"]},
        {"causes": ["c/d", "e/f"]},
        ["  causes", "    - a/b", "    + e/f", "      and 1 as expected"],
    ),
    "causes come twice": (
        {"causes": ["a"]},
        {"causes": ["a", "a"]},
        ["  causes", "    + a", "      and 1 as expected"],
    ),
    "a key that no outcome has": ({"foo": 3}, {}, ["       expected  found", "  foo  3         (absent)"]),
    "another kind of value": (
        {"causes": "none", "rebuilds": True, "harmful_reads": []},
        {"causes": ["a"], "rebuilds": 1, "harmful_reads": {}},
        [
            "                 expected  found",
            '  causes         "none"    ["a"]',
            "  rebuilds       true      1",
            "  harmful_reads  []        {}",
        ],
    ),
    "what a terminal would obey": (
        {"\x1b[2J": "\x1b[2J", "causes": ["\ud800"]},
        {"causes": []},
        [
            "             expected     found",
            "  '\\x1b[2J'  \"\\u001b[2J\"  (absent)",
            "  causes",
            '    - "\\ud800"',
        ],
    ),
}


@pytest.mark.parametrize("case", TABLE)
def test_lines(case: str) -> None:
    expected, found, said = TABLE[case]
    assert [line.rstrip() for line in lines(differences(expected, found))] == said


def test_json_has_no_key_for_what_is_absent() -> None:
    (one,) = differences({"reads": {"a": 1}}, {"reads": {}})
    assert one.to_json() == {"key": "reads", "part": "a", "expected": 1}
    assert Difference("a", None, 2).to_json() == {"key": "a", "expected": None, "found": 2}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.text(max_size=3), VALUES, max_size=4)


@given(OBJECTS, OBJECTS)
def test_what_differs_is_told_and_nothing_else(expected: dict[str, Any], found: dict[str, Any]) -> None:
    told = differences(expected, found)
    other = {key for key, value in expected.items() if key not in found or json.dumps(value) != json.dumps(found[key])}
    assert {*expected} - {*found} <= set(keys(told)) <= other
    assert all("\n" not in line for line in lines(told))
    assert differences(expected, expected) == ()
    assert differences({**expected, **{key: found[key] for key in keys(told) if key in found}}, found) == tuple(
        one for one in told if one.key not in found
    )


@given(OBJECTS, OBJECTS, st.text(max_size=3), VALUES, st.sampled_from([None, 1, 2, "\t"]), st.booleans())
def test_put_changes_one_value(
    outer: dict[str, Any], inner: dict[str, Any], key: str, value: object, indent: int | str | None, ascii_: bool
) -> None:
    whole = {**outer, "expect": inner}
    for path in (("expect", key), (key,)):
        text = json.dumps(whole, indent=indent, ensure_ascii=ascii_)
        after = json.loads(put(text, path, value))
        wanted = json.loads(text)
        (wanted["expect"] if len(path) > 1 else wanted)[key] = value
        assert after == wanted
        assert [*after] == [*wanted]


@pytest.mark.parametrize(
    ("text", "path", "after"),
    [
        ('{"b": 1.50, "a" : 2 , "c": [1,2]}\n', ("a",), '{"b": 1.50, "a" : 9 , "c": [1,2]}\n'),
        ('{"a": 1, "a": 2}', ("a",), '{"a": 1, "a": 9}'),
        ('{"a": {}}', ("a", "b"), '{"a": {"b": 9}}'),
        ('{"a": {"c": 1}}', ("a", "b"), '{"a": {"c": 1, "b": 9}}'),
        ('{\n   "a": {}\n}', ("a", "b"), '{\n   "a": {\n      "b": 9\n   }\n}'),
        ('{\r\n\t"a": 1\r\n}', ("a",), '{\r\n\t"a": 9\r\n}'),
        ('\ufeff {"é": "ü", "a": 1}', ("a",), '\ufeff {"é": "ü", "a": 9}'),
    ],
)
def test_all_else_stays(text: str, path: tuple[str, ...], after: str) -> None:
    assert put(text, path, 9) == after


def test_what_is_no_object_is_said() -> None:
    with pytest.raises(KeyError):
        put('{"a": 1}', ("a", "b"), 2)
    with pytest.raises(KeyError):
        put('{"a": 1}', ("c", "b"), 2)
