"""docs/show.md shows what is really printed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from fuzz import cli
from fuzz.corpus import find_stream
from vmformat import read

PAGE = Path(__file__).parent.parent / "docs" / "show.md"


def examples() -> list[tuple[str, list[str]]]:
    """The commands on the page and the lines below each."""
    found: list[tuple[str, list[str]]] = []
    for line in PAGE.read_text().splitlines():
        if line.startswith("    $ "):
            found.append((line[6:], []))
        elif line.startswith("    ") and found:
            found[-1][1].append(line[4:])
        elif line and found and found[-1][0]:
            found.append(("", []))
    return [(command, lines) for command, lines in found if command and "jq" not in command]


def broken() -> bytes:
    """The shipped stream without three bytes in its APIC."""
    data = find_stream("pc-small/after").read_bytes()
    apic = read(data).section("apic")
    assert apic is not None
    at = apic.payload_offset + 40
    return data[:at] + data[at + 3 :]


EXAMPLES = examples()


@pytest.mark.parametrize(("command", "lines"), EXAMPLES, ids=[command for command, _ in EXAMPLES])
def test_examples(
    command: str,
    lines: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.vmstate").write_bytes(broken())
    command, _, wanted = command.partition(" | grep ")
    monkeypatch.setattr("sys.argv", shlex.split(command))
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        cli.main()
    said = capsys.readouterr()
    printed = iter([line for line in (said.out + said.err).splitlines() if re.search(wanted, line)])
    skipping = False
    for line in [line for line in lines if line]:
        if line == "...":
            skipping = True
            continue
        found = next((other for other in printed if other == line or (other and not skipping)), None)
        assert found == line
        skipping = False


def test_there_are_some() -> None:
    assert len(EXAMPLES) >= 8
