"""QEMU migration streams: bytes to named records and back."""

from vmformat.build import Device, Page, Ram, build_stream, complete, default_stream, describe_itself
from vmformat.command import Cmd, Command
from vmformat.configuration import Configuration
from vmformat.errors import Fault, StreamError
from vmformat.faults import every_fault
from vmformat.framing import Kind
from vmformat.leaves import Leaf, leaves
from vmformat.node import Node, Values
from vmformat.plan import Plan, Refusal, SilentVisitor, Visitor, compile_plan, measure
from vmformat.ram.context import RamContext
from vmformat.ram.records import BlockEntry, RamRecord, RamState, iter_records, xbzrle
from vmformat.ram.records import Flag as RamFlag
from vmformat.ram.zero_pages import zero_run
from vmformat.reader import Reader
from vmformat.reading.opening import open  # noqa: A004 - as `gzip.open`
from vmformat.records import Eof, Gap, Header, Record, Span
from vmformat.render import lines, to_json
from vmformat.schema import Count, Field, Schema, Schemas, When
from vmformat.section import Section
from vmformat.self_description import describe_sections
from vmformat.stream import Stream, describe, pack, package_records, read, write
from vmformat.strip import strip
from vmformat.tree import blank, decode, decode_partial, decode_tolerant, encode
from vmformat.virtio import VirtioShape, scsi_disk_schema, virtio_schema

__all__ = [
    "BlockEntry",
    "Cmd",
    "Command",
    "Configuration",
    "Count",
    "Device",
    "Eof",
    "Fault",
    "Field",
    "Gap",
    "Header",
    "Kind",
    "Leaf",
    "Node",
    "Page",
    "Plan",
    "Ram",
    "RamContext",
    "RamFlag",
    "RamRecord",
    "RamState",
    "Reader",
    "Record",
    "Refusal",
    "Schema",
    "Schemas",
    "Section",
    "SilentVisitor",
    "Span",
    "Stream",
    "StreamError",
    "Values",
    "VirtioShape",
    "Visitor",
    "When",
    "blank",
    "build_stream",
    "compile_plan",
    "complete",
    "decode",
    "decode_partial",
    "decode_tolerant",
    "default_stream",
    "describe",
    "describe_itself",
    "describe_sections",
    "encode",
    "every_fault",
    "iter_records",
    "leaves",
    "lines",
    "measure",
    "open",
    "pack",
    "package_records",
    "read",
    "scsi_disk_schema",
    "strip",
    "to_json",
    "virtio_schema",
    "write",
    "xbzrle",
    "zero_run",
]
