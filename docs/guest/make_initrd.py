"""Make the initrd of a guest that keeps its devices busy: busybox, drivers of the installed kernel, and `init`.

    python docs/guest/make_initrd.py -o /tmp/busy.cpio.gz [--modules /lib/modules/VERSION] [--busybox /usr/bin/busybox]

Nothing of it is part of this project but `init`; see docs/guest.md. Modules are loaded in the order of their
dependencies, which they name themselves; those that the kernel does not have are left out.
"""

from __future__ import annotations

import argparse
import gzip
import lzma
import re
import stat
import sys
from pathlib import Path

DRIVERS = (
    "virtio_pci", "virtio_mmio", "virtio_blk", "virtio_net", "virtio_scsi", "virtio_console", "virtio_rng",
    "virtio_gpu", "virtio_balloon", "virtio_input", "sd_mod", "ahci", "ata_piix", "e1000", "e1000e", "8139cp",
    "8139too", "xhci_pci", "ehci_pci", "uhci_hcd", "usbhid", "usbkbd", "usb_storage", "hid_generic", "evdev", "pktgen",
)  # fmt: skip


def name_of(path: Path) -> str:
    """A module's name as others call it."""
    return path.name.partition(".ko")[0].replace("-", "_")


def contents(path: Path) -> bytes:
    """A module's bytes, unpacked."""
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def in_order(folder: Path) -> list[tuple[str, bytes]]:
    """The drivers that there are and what they need, each behind what it needs."""
    files = {name_of(path): path for path in folder.rglob("*.ko*")}
    order: dict[str, bytes] = {}

    def add(name: str) -> None:
        if name in order or name not in files:
            return
        data = contents(files[name])
        found = re.search(rb"\0depends=([^\0]*)\0", data)
        for needed in found[1].decode().split(",") if found else ():
            add(needed.replace("-", "_"))
        order[name] = data

    for driver in DRIVERS:
        add(driver)
    return list(order.items())


def entry(name: str, mode: int, data: bytes, number: int, device: tuple[int, int] = (0, 0)) -> bytes:
    """A file of a cpio archive in the format `newc`; everything in it is of 1970 and root's."""
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08x" % value for value in fields) + name.encode() + b"\0"
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def archive(modules: Path, busybox: Path) -> bytes:
    """The whole archive."""
    drivers = in_order(modules)
    folder, executable, plain = stat.S_IFDIR | 0o755, stat.S_IFREG | 0o755, stat.S_IFREG | 0o644
    files: list[tuple[str, int, bytes]] = [(name, folder, b"") for name in ("bin", "dev", "modules")]
    files += [
        ("bin/busybox", executable, busybox.read_bytes()),
        ("init", executable, (Path(__file__).resolve().parent / "init").read_bytes()),
        ("modules/order", plain, "".join(f"{name}.ko\n" for name, _ in drivers).encode()),
        *((f"modules/{name}.ko", plain, data) for name, data in drivers),
    ]
    pieces = [entry(name, mode, data, number) for number, (name, mode, data) in enumerate(files, 1)]
    console = entry("dev/console", stat.S_IFCHR | 0o600, b"", len(files) + 1, (5, 1))
    return b"".join((*pieces, console, entry("TRAILER!!!", 0, b"", 0)))


def main() -> None:
    """Write the archive."""
    newest = max(Path("/lib/modules").glob("*"), default=None)
    parser = argparse.ArgumentParser(description="the initrd of a guest that keeps its devices busy")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--modules", type=Path, default=newest, help="the kernel's modules [/lib/modules/...]")
    parser.add_argument("--busybox", type=Path, default=Path("/usr/bin/busybox"), help="a static busybox")
    asked = parser.parse_args()
    if asked.modules is None or not asked.modules.is_dir():
        sys.exit("no kernel modules: install a kernel, or name them with --modules")
    if not asked.busybox.is_file():
        sys.exit(f"no {asked.busybox}: install busybox-static, or name one with --busybox")
    asked.output.write_bytes(gzip.compress(archive(asked.modules, asked.busybox), mtime=0))


if __name__ == "__main__":
    main()
