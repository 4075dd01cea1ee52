"""Which device is big: a table whose sizes add up to the stream's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rendered import NESTED, SCHEMAS, STREAM

from fuzz.corpus import find_stream
from vmformat import read, write
from vmformat.render import plain
from vmformat.render.sizes import bar, shares, size_lines

ROWS = """\
       bytes   share                        sections  name
          70   30.3%  ####################         1  ram
          58   25.1%  #################            1  dev
          47   20.3%  #############                   configuration
          20    8.7%  ######                       1  odd\\n@1
           9    3.9%  ###                          1  PACKAGED
           9    3.9%  ###                          1  PING
           8    3.5%  ##                              header
           5    2.2%  #                            1  POSTCOPY_RUN
           4    1.7%  #                               trailing bytes
           1    0.4%  .                               end of stream
         231    100%                                  total (231 B)
"""


def test_table() -> None:
    stream = read(write(STREAM), SCHEMAS)
    assert list(plain(size_lines(shares(stream, SCHEMAS)))) == ROWS.splitlines()


def test_parts_of_a_section() -> None:
    stream = read(write(STREAM), SCHEMAS)
    rows = list(plain(size_lines(shares(stream, SCHEMAS, depth=1), limit=2)))
    at = next(i for i, row in enumerate(rows) if row.endswith("  dev"))
    assert [row.split()[0] + " " + row.split()[-1] for row in rows[at : at + 3]] == ["58 dev", "20 pairs", "8 text"]


def test_json_has_the_same() -> None:
    parts = shares(read(write(STREAM), SCHEMAS), SCHEMAS, depth=1)
    ram, dev = (part.to_json() for part in parts[:2])
    assert ram == {"name": "ram", "kind": "section", "size": 70, "instance": 0, "sections": 1}
    assert dev["parts"][0] == {"name": "pairs", "kind": "part", "size": 20}  # type: ignore[index]


@pytest.mark.parametrize("name", ["pc-small/after", "microvm-virtio/after", "virtio-zoo/before"])
def test_sizes_add_up(name: str) -> None:
    data = find_stream(name).read_bytes()
    assert sum(part.size for part in shares(read(data))) == len(data)


@given(st.lists(st.tuples(st.integers(0, len(NESTED) - 1), st.integers(0, 255)), max_size=4), st.integers(0))
def test_sizes_of_damaged_streams_add_up(changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(NESTED)
    for at, value in changes:
        data[at] = value
    damaged = bytes(data[: cut % (len(data) + 1)] if cut else data)
    assert sum(part.size for part in shares(read(damaged, SCHEMAS, tolerant=True), SCHEMAS)) == len(damaged)


@pytest.mark.parametrize(("share", "text"), [(0, ""), (0.001, "."), (0.5, "#" * 10), (1, "#" * 20)])
def test_bars(share: float, text: str) -> None:
    assert bar(share) == text
