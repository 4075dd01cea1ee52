"""Streams without their RAM: all the RAM sections, but only the pages somebody needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmformat.framing import Kind
from vmformat.ram import RamState, drop_zero_pages, strip_payload
from vmformat.section import Section

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vmformat.records import Record
    from vmformat.stream import Stream


def strip(stream: Stream, keep: Mapping[str, Sequence[tuple[int, int]]]) -> Stream:
    """The stream with only those RAM pages that hold a kept range, zeroed outside of it; the VMDESCRIPTION stays.

    `keep` gives ranges (offset in the block, length; bytes) by block name. PART sections left without a page go; START
    and END stay, so that the sections still follow each other as QEMU writes them. Raises StreamError if a kept page is
    compressed or the RAM sections cannot be read.
    """
    shared = stream.configuration is not None and "x-ignore-shared" in stream.configuration.capabilities
    state = RamState()
    records: list[Record] = []
    for record in stream.records:
        if isinstance(record, Section) and record.is_ram:
            payload = strip_payload(record.payload, state, keep, ignore_shared=shared)
            if record.kind is Kind.PART and len(payload) == _EOS_SIZE:
                continue
            record = record.replace_payload(payload)
        records.append(record)
    return stream.with_records(records)


def without_zeros(stream: Stream) -> Stream:
    """The stream without pages of zeros, which a fresh destination has anyway; the first page of each block stays.

    Raises StreamError if a page is compressed or the RAM sections cannot be read.
    """
    records = (
        record.replace_payload(drop_zero_pages(record.payload))
        if isinstance(record, Section) and record.is_ram
        else record
        for record in stream.records
    )
    return stream.with_records(records)


_EOS_SIZE = 8
