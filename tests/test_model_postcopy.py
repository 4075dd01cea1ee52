"""Row 24 of virtio.md 9.1: what a destination of a postcopy migration asks its source for during the package."""

from __future__ import annotations

import json
import socket
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import mutants
import pytest
from captured import switch_on
from mutants import PC

from fuzz import cli
from fuzz.qemu import Qemu
from model import DESIGNS, judge, load
from vmformat import Cmd, Command, Eof, Kind, Section, pack, write
from vmformat.channels import channel as channels
from vmformat.ram.pages import ram_blocks, ram_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from model import Outcome
    from vmformat import Record

PER_DEVICE, WRAP_MAIN = "per-device", "wrap-main"
PAGE: Final = 4096
EOS: Final = struct.pack(">Q", 0x10)
ADVISE: Final = struct.pack(">QQ", PAGE, PAGE)
DISCARD: Final = Command(Cmd.POSTCOPY_RAM_DISCARD, b"\0\6pc.ram\0" + struct.pack(">QQ", 0, PAGE))
"""Of a page that has not come; without any the package would end in the wrong state."""

ROM: Final = tuple(("pc.rom", at) for at in (0, 0x1000, 0x2000))
RING: Final = (("pc.ram", 0xFDE000), ("pc.ram", 0xFDF000))
SHADOW: Final = tuple(("pc.ram", at) for at in (0xC0000, 0xC1000, 0xC2000))


def pages_of(name: str) -> dict[tuple[str, int], bytes | None]:
    """All pages of the machine's RAM; None for one of zeros."""
    found = mutants.stream(name)
    sent = {(page.block, page.address): page.content() for page in ram_pages(found)}
    places = [(block.name, at) for block in ram_blocks(found) for at in range(0, block.length or 0, PAGE)]
    return {place: sent.get(place) for place in places}


def part(pages: Iterable[tuple[tuple[str, int], bytes | None]]) -> Section:
    """The pages in one section."""
    records = []
    for (block, at), data in pages:
        head = struct.pack(">QB", at | (2 if data is None else 8), len(block)) + block.encode()
        records.append(head + (b"\0" if data is None else data))
    return Section(Kind.PART, 2, "ram", 0, 4, b"".join(records) + EOS, footer=2)


def replay(
    *first: Command,
    advise: bytes = ADVISE,
    early: Callable[[tuple[str, int]], bool] = lambda _: False,
) -> tuple[bytes, bytes]:
    """A postcopy migration of the shipped machine: up to its package, and all that comes behind.

    `first`: commands between the block list and the package. `early`: pages that come before the package.
    """
    found = mutants.stream(PC)
    full = [one for one in found.records if isinstance(one, Section) and one.kind is Kind.FULL]
    pages = pages_of(PC)
    listen = pack((Command(Cmd.POSTCOPY_LISTEN), *full, Command.ping(3), Command(Cmd.POSTCOPY_RUN)))
    before: list[Record] = [
        Command(Cmd.OPEN_RETURN_PATH), Command.ping(1), Command(Cmd.POSTCOPY_ADVISE, advise), found.records[0],
        part((place, data) for place, data in pages.items() if early(place)), *first, Command.ping(2), listen,
    ]  # fmt: skip
    after: list[Record] = [
        Command.ping(4),
        part((place, data) for place, data in pages.items() if not early(place)),
        Section(Kind.END, 2, "ram", 0, 4, EOS, footer=2),
        Eof(),
    ]
    head = write(replace(found, records=tuple(before), trailing=b""))
    return head, write(replace(found, records=(*before, *after), trailing=b""))[len(head) :]


def outcome_of(data: bytes, design: str, *, capability: bool = True) -> Outcome:
    bench = mutants.machine(PC)
    try:
        return load(bench, data, DESIGNS[design](), postcopy_ram=capability)
    finally:
        bench.reset()


def whole(*first: Command, **how: object) -> bytes:
    return b"".join(replay(*first, **how))  # type: ignore[arg-type]


def test_what_is_read_is_asked_for() -> None:
    """The VAPIC reads the option ROM, where the old view shows `pc.rom`; then the ring is read."""
    data = whole(DISCARD)
    base, batch = outcome_of(data, PER_DEVICE), outcome_of(data, WRAP_MAIN)
    assert (base.verdict, base.asked) == ("accepted", (*SHADOW, *RING))
    assert (batch.verdict, batch.asked) == ("aborted", (*SHADOW[:1], *ROM, *RING))
    (found,) = [one for one in judge(base, batch) if one.cause.reader == "return-path"]
    assert str(found.cause) == "wrap-main/device-state/return-path/other-page-asked-for/ram"
    assert found.text == "request 1 is for pc.rom 0x0, pc.ram 0xc1000 under per-device"


def test_pages_that_came_before_are_not_asked_for_unless_they_were_taken_back() -> None:
    early = outcome_of(whole(DISCARD, early=RING.__contains__), PER_DEVICE)
    assert early.asked == SHADOW
    back = Command(Cmd.POSTCOPY_RAM_DISCARD, b"\0\6pc.ram\0" + struct.pack(">QQ", RING[1][1], PAGE))
    assert outcome_of(whole(back, early=RING.__contains__), PER_DEVICE).asked == (*SHADOW, RING[1])
    everything = outcome_of(whole(DISCARD, early=lambda _: True), PER_DEVICE)
    assert (everything.verdict, everything.asked) == ("accepted", ())
    plain = outcome_of(write(mutants.stream(PC)), PER_DEVICE)
    assert plain.devices == everything.devices == outcome_of(whole(DISCARD), PER_DEVICE).devices
    assert plain.layout == everything.layout


def test_load_tells_what_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "stream").write_bytes(whole(DISCARD))
    words = ["vmfuzz", "load", str(tmp_path / "stream"), "--machine", PC, "--postcopy-ram", "--design", WRAP_MAIN]
    for options in ([], ["--json"]):
        monkeypatch.setattr("sys.argv", [*words, *options])
        with pytest.raises(SystemExit) as left:
            cli.main()
        assert left.value.code == 1
    text, _, document = capsys.readouterr().out.partition("\n{\n")
    assert "  asks its source for pc.ram 0xc0000, pc.rom 0x0, pc.rom 0x1000, pc.rom 0x2000, pc.ram 0xfde000" in text
    assert json.loads("{" + document)["outcomes"][0]["asked"][1] == {"block": "pc.rom", "offset": 0}


def test_a_page_that_nobody_sends_is_waited_for() -> None:
    head, _ = replay(DISCARD)
    found = outcome_of(head, PER_DEVICE)
    assert (found.verdict, found.asked) == ("hung", SHADOW[:1])


REFUSED = {
    "no sizes": (b"", "RAM postcopy is enabled but have 0 byte advise"),
    "other pages of blocks": (
        struct.pack(">QQ", 0x201000, PAGE),
        "Postcopy needs matching RAM page sizes (s=201000 d=1000)",
    ),
    "other pages": (struct.pack(">QQ", PAGE, 0x4000), "Postcopy needs matching target page sizes (s=16384 d=4096)"),
    "half of it": (bytes(8), "CMD_POSTCOPY_ADVISE invalid length (8)"),
}


@pytest.mark.parametrize(("advise", "line"), REFUSED.values(), ids=REFUSED)
def test_an_advice_that_does_not_fit_is_refused(advise: bytes, line: str) -> None:
    found = outcome_of(whole(DISCARD, advise=advise), PER_DEVICE)
    assert found.verdict == "refused"
    assert line in found.messages
    without = outcome_of(whole(DISCARD), PER_DEVICE, capability=False)
    assert "RAM postcopy is disabled but have 16 byte advise" in without.messages


@pytest.mark.qemu
@pytest.mark.parametrize(("advise", "line"), REFUSED.values(), ids=REFUSED)
def test_the_program_refuses_it_too(advise: bytes, line: str, real_qemu: str, tmp_path: Path) -> None:
    (tmp_path / "stream").write_bytes(whole(DISCARD, advise=advise))
    arguments = mutants.machine(PC).description.arguments
    with Qemu(arguments, binary=real_qemu, extra=("-incoming", "defer")) as vm:
        switch_on(vm, "postcopy-ram")
        assert not vm.load(tmp_path / "stream")
        assert any(said.endswith(line) for said in vm.output()), vm.output()


def answered(head: bytes, binary: str, folder: Path, patience: float = 30.0) -> tuple[list[tuple[str, int]], str]:
    """What a program asks a source for that sends a page when it is asked, and the rest when the package is loaded.

    Block and offset of each, in order, and how the program ended.
    """
    pages, asked = pages_of(PC), []
    with Qemu(mutants.machine(PC).description.arguments, binary=binary, extra=("-incoming", "defer")) as vm:
        switch_on(vm, "postcopy-ram")
        vm.qmp("migrate-incoming", {"uri": f"unix:{folder}/socket"})
        with socket.socket(socket.AF_UNIX) as source:
            source.settimeout(patience)
            source.connect(f"{folder}/socket")
            source.sendall(head)
            block = ""
            for name, values in messages(source):
                if name == "REQ_PAGES_ID":
                    block = values["block"].decode()
                if name.startswith("REQ_PAGES"):
                    place = (block, values["start"])
                    asked.append(place)
                    source.sendall(part([(place, pages.pop(place))]).to_bytes())
                if name == "PONG" and values["cookie"] == 3:
                    end = Section(Kind.END, 2, "ram", 0, 4, EOS, footer=2)
                    source.sendall(part(pages.items()).to_bytes() + end.to_bytes() + b"\0")
        vm.wait(0.5)
        return asked, vm.ended()


def messages(source: socket.socket) -> Iterator[tuple[str, dict[str, Any]]]:
    """The messages of a return path as they come, up to its end."""
    kept = b""
    seen = 0
    while data := source.recv(1 << 16):
        kept += data
        found = channels.read_channel(kept, "return-path")
        whole = [one for one in found.tree.children if one.end <= len(kept) and one.name != "@rest"]
        for one in whole[seen:]:
            yield found.title(one), {child.name: child.value for child in one.children}
        seen = len(whole)


@pytest.mark.qemu
@pytest.mark.parametrize("design", [PER_DEVICE, WRAP_MAIN])
def test_the_program_asks_for_the_same(design: str, real_qemu: str, wrapped: Path, tmp_path: Path) -> None:
    head, _ = replay(DISCARD)
    asked, ended = answered(head, real_qemu if design == PER_DEVICE else str(wrapped), tmp_path)
    found = outcome_of(whole(DISCARD), design)
    assert tuple(asked) == found.asked
    assert ended == ("" if found.verdict == "accepted" else "killed by SIGABRT")


@pytest.mark.qemu
def test_without_a_discard_no_page_finds_its_place(real_qemu: str, tmp_path: Path) -> None:
    found = outcome_of(whole(), PER_DEVICE)
    assert (found.verdict, found.asked) == ("hung", SHADOW[:1])
    with pytest.raises(TimeoutError):
        answered(replay()[0], real_qemu, tmp_path, patience=2.0)
