"""The text form of a stream: what a person can review, change by hand and compare line by line.

    vmfuzz stream text 1
    HEADER version 3
    CONFIGURATION
      machine: vbuffer = "pc-q35-7.2"
    FULL "timer" instance 0 version 2 id 0
      cpu_ticks_offset: int64 = 0x8f2d1c0
      unused: unused_buffer[8] = zero
      cpu_clock_offset: int64 = 0x2b8a17c4
    EOF

A line a record and below it, indented, a line a field in the order of the bytes. Types stand in the text, so that it
can be read without any schema; it says values, not offsets, and no length that follows from what is there: that of a
string, of a package, of the VMDESCRIPTION (`length 12` behind COMMAND or VMDESCRIPTION says another one). A count
that is a field of its own is a line like any other. A footer is not shown if it is the section's id.

The law: `bytes_from_text(to_text(stream)) == write(stream)` for every stream there is, also for what a tolerant reader
made of damaged ones. Bytes that are no record stand under BYTES; a payload that nobody can take apart is `payload`.
Empty lines and lines that begin with `#` say nothing.
"""

from vmformat.text.reading import bytes_from_text, from_text, records_from_text
from vmformat.text.values import TextError
from vmformat.text.writing import FIRST_LINE, record_lines, text_lines, to_text

__all__ = [
    "FIRST_LINE",
    "TextError",
    "bytes_from_text",
    "from_text",
    "record_lines",
    "records_from_text",
    "text_lines",
    "to_text",
]
