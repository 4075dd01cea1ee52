"""What a record says of itself outside its payload: `timer/@version`, `PING/@cmd`, `version`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from vmformat.command import Cmd, Command
from vmformat.edit.words import new_value, shown
from vmformat.framing import NAMED, Kind
from vmformat.node import Node
from vmformat.section import Section
from vmformat.text.values import ValueFault, quoted, read_bytes

if TYPE_CHECKING:
    from vmformat.records import Header, Record

OF_SECTIONS: Final = ("@id", "@instance", "@version", "@name", "@footer", "@kind")
NAMES: Final = frozenset({*OF_SECTIONS, "@cmd"})
_KINDS: Final = {kind.name: kind for kind in (Kind.START, Kind.PART, Kind.END, Kind.FULL)}


@dataclass(frozen=True, slots=True)
class Changed:
    """A record with another head: what it was and is, in words."""

    record: Record
    old: str
    new: str


def _integer(name: str, value: int, operator: str, text: str, type_: str = "uint32") -> int:
    new = new_value(Node(name, type_, 0, 0, value), operator, text, variable=False)
    assert isinstance(new, int)
    return new


def with_head(record: Record, name: str, operator: str, text: str, *, raw: bool) -> Changed | None:
    """The record with that part of its head changed; None if it has no such part. Raises ValueFault.

    A footer follows its section's id unless `raw`.
    """
    if isinstance(record, Command) and name == "@cmd":
        return _command(record, operator, text)
    if not isinstance(record, Section) or name == "@cmd":
        return None
    if name == "@id":
        new = _integer(name, record.section_id, operator, text)
        footer = new if record.footer == record.section_id and not raw else record.footer
        return Changed(
            replace(record, payload=record.buffer, section_id=new, footer=footer),
            f"{record.section_id:#x}",
            f"{new:#x}",
        )
    if name == "@footer":
        return _footer(record, operator, text)
    if name == "@kind":
        kind = _KINDS.get(text)
        if kind is None or operator != "=":
            raise ValueFault(f"= and one of {', '.join(_KINDS)}", operator + text)
        return Changed(replace(record, payload=record.buffer, kind=kind), record.kind.name, kind.name)
    if record.kind not in NAMED:
        return None  # it is its START that says so
    if name == "@name":
        if operator != "=":
            raise ValueFault("= for what is no number", operator)
        data = read_bytes(text) if text.startswith(('"', "hex:")) else text.encode()
        if len(data) > 0xFF:
            raise ValueFault("a name of at most 255 bytes", str(len(data)))
        return Changed(
            replace(record, payload=record.buffer, name=data.decode("latin-1")),
            quoted(record.name.encode("latin-1")),
            quoted(data),
        )
    old = record.instance if name == "@instance" else record.version
    new = _integer(name, old, operator, text)
    changed = (
        replace(record, payload=record.buffer, instance=new)
        if name == "@instance"
        else replace(record, payload=record.buffer, version=new)
    )
    return Changed(changed, shown(old), shown(new))


def _footer(section: Section, operator: str, text: str) -> Changed:
    old = "none" if section.footer is None else f"{section.footer:#x}"
    if text == "none" and operator == "=":
        return Changed(replace(section, payload=section.buffer, footer=None), old, "none")
    new = _integer("@footer", section.footer or 0, operator, text)
    return Changed(replace(section, payload=section.buffer, footer=new), old, f"{new:#x}")


def _command(command: Command, operator: str, text: str) -> Changed:
    if text in Cmd.__members__ and operator == "=":
        new = int(Cmd[text])
    else:
        new = _integer("@cmd", command.cmd, operator, text, "uint16")
    if command.package or command.outside:
        raise ValueFault("a command without a package", command.name)
    changed = replace(command, cmd=new)
    return Changed(changed, command.name, changed.name)


def with_header(header: Header, name: str, operator: str, text: str) -> tuple[Header, str, str]:
    """The file header with another `version` or `magic`; what it was and is. Raises ValueFault."""
    if not header.magic:
        raise ValueFault("a header", "none")
    if name == "version":
        new = _integer(name, header.version, operator, text)
        return replace(header, version=new), shown(header.version), shown(new)
    if operator != "=":
        raise ValueFault("= for what is no number", operator)
    magic = read_bytes(text, 4)
    return replace(header, magic=magic), quoted(header.magic), quoted(magic)
