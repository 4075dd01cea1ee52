"""What the store knows although no stream here has shown it: not confirmed.

Virtio devices that the host works on elsewhere, or that came with a later QEMU, hold what every virtio section does.
Of the others `qemu -dump-vmstate` of 7.2.22 tells fields and sizes, and that their integers are as wide on the wire as
in memory is an assumption. Of USB redirection streams have only shown that nothing was queued.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vmformat.pci import pci_device_schema
from vmformat.schema import Count, Field, Schema
from vmformat.virtio import HOST_KINDS

_EARLY: Final = "virtio-mem-device-early"


def _opaque(vmsd: str, version: int) -> Schema:
    return Schema(vmsd, version, version, (Field("virtio", "virtio"),))


def _plain(vmsd: str, version: int, text: str, *subsections: Schema, first: tuple[Field, ...] = ()) -> Schema:
    """A schema of the fields in a text: `name:type` or `name:type:size`."""
    fields = list(first)
    for word in text.split():
        name, kind, *size = word.split(":")
        fields.append(Field(name, kind, int(size[0]) if size else 0))
    return Schema(vmsd, version, version, tuple(fields), subsections)


_PCI: Final = (Field("parent_obj", "struct", struct=pci_device_schema(express=False)),)
_LOCALITY: Final = _plain(
    "tpm-tis/locty", 0, "state:uint32 inte:uint32 ints:uint32 access:uint8 sts:uint32 iface_id:uint32"
)
_TPM_LOCALITIES: Final = 5

FREE: Final = frozenset({("CPU hotplug state", "devs")})
"""Arrays whose length is the machine's, as asked of QEMU 7.2.22 (an element for each processor there may be)."""

SCHEMAS: Final = (
    *(_opaque(vmsd, version) for vmsd, version in HOST_KINDS.values()),
    _opaque(_EARLY, 1),
    _plain("kvmclock", 1, "clock:uint64", _plain("kvmclock/clock_is_reliable", 1, "clock_is_reliable:bool")),
    _plain("ivshmem-plain", 0, "intrstatus:uint32 intrmask:uint32", first=_PCI),
    Schema(
        "tpm-tis",
        0,
        0,
        (
            Field("state.buffer", "buffer", 4096),
            Field("state.rw_offset", "uint16"),
            *(Field(f"state.{name}_locty", "uint8") for name in ("active", "aborting", "next")),
            Field("state.loc", "struct", count=_TPM_LOCALITIES, struct=_LOCALITY),
        ),
    ),
)
"""Sections of vmsds that no stream here has had."""

_PACKET: Final = Schema(
    "usb-redir-packet",
    1,
    1,
    (Field("length", "uint32"), Field("status", "int32"), Field("data", "buffer", 1, Count("length"))),
    raw=True,
)
_INSIDES: Final = {
    "usb-redir-parser": Field("", "vbuffer"),
    "usb-redir-bufpq": Field(
        "",
        "struct",
        struct=Schema(
            "usb-redir-packets",
            1,
            1,
            (Field("count", "uint32"), Field("packets", "struct", count=Count("count"), struct=_PACKET)),
            raw=True,
        ),
    ),
    "usb-redir-packet-id-q": Field(
        "",
        "struct",
        struct=Schema(
            "usb-redir-ids", 1, 1, (Field("count", "uint32"), Field("ids", "uint64", count=Count("count"))), raw=True
        ),
    ),
}


def with_insides(schema: Schema) -> Schema:
    """The schema with old-style fields of USB redirection taken apart."""
    fields = []
    for field in schema.fields:
        inside = _INSIDES.get(field.type)
        if inside is not None:
            field = replace(inside, name=field.name, since=field.since)
        elif field.struct is not None:
            field = replace(field, struct=with_insides(field.struct))
        fields.append(field)
    return replace(schema, fields=tuple(fields))
