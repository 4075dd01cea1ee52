"""The chipsets' own registers that move memory: PAM, SMRAM and TSEG, PCIEXBAR, PMBASE, RCBA, the PIIX4 ports.

Source: pci.md 5.2 (PAM), 5.3 (mch), 5.4 (the others). Regions are found by the names the program gives them. Where a
fixed region is not attached at reset it is not in a captured tree, and is made here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from model.devices.cpu_hotplug import CpuHotplug
from model.devices.handler import Effects, Handler
from model.memory import Kind, Region

if TYPE_CHECKING:
    from model.load_state import LoadState
    from model.machine import Machine
    from vmformat import Refusal

MIB: Final = 1 << 20
PAM_SEGMENTS: Final = 13
LAST_PAM: Final = 0xF0000


def _dword(config: bytes, offset: int) -> int:
    return int.from_bytes(config[offset : offset + 4], "little")


class Pam:
    """The thirteen shadow ranges of 0xc0000..0xfffff, each four aliases of which exactly one is enabled."""

    def __init__(self, machine: Machine) -> None:
        self.memory = machine.memory
        self.segments: list[dict[int, Region]] = [{} for _ in range(PAM_SEGMENTS)]
        for region in machine.regions.values():
            if region.name in {"pam-rom", "pam-ram", "pam-pci"} and region.alias is not None:
                attribute = {"pam-rom": 1, "pam-ram": 3}.get(region.name, 0)
                if region.name == "pam-pci" and region.alias.kind is not Kind.CONTAINER:
                    attribute = 2
                address = region.addr
                index = 0 if address >= LAST_PAM else 1 + (address - 0xC0000) // 0x4000
                self.segments[index][attribute] = region

    def update(self, registers: bytes) -> None:
        """Disable what is shown and enable what the seven `registers` ask for, all ranges, changed or not.

        In a transaction of the caller's.
        """
        self.memory.together((self, registers), lambda: self._show(registers))

    def _show(self, registers: bytes) -> None:
        memory = self.memory
        for index, aliases in enumerate(self.segments):
            if not aliases:
                continue
            byte = registers[(index + 1) // 2]
            attribute = (byte >> 4 if index % 2 == 0 else byte) & 3
            for region in aliases.values():
                if region.enabled:
                    memory.set_enabled(region, enabled=False)
            memory.set_enabled(aliases[attribute], enabled=True)


class Mch(Effects):
    """The q35 host bridge: PCIEXBAR, PAM, SMRAM and TSEG, in that order (pci.md 5.3)."""

    vmsd: ClassVar[str] = "mch"
    post: ClassVar[frozenset[str]] = frozenset({"mch"})

    EXTENDED_TSEG: Final = 16
    """Mebibytes of the largest TSEG, where the machine does not say otherwise."""

    def __init__(self, machine: Machine, handler: Handler) -> None:
        super().__init__(machine, handler)
        self.pam = Pam(machine)
        told = handler.function.entry.properties if handler.function is not None else {}
        self.extended_tseg = told.get("extended-tseg-mbytes", self.EXTENDED_TSEG) * MIB
        self.mmcfg = machine.optional("pcie-mmcfg-mmio") or Region("pcie-mmcfg-mmio", Kind.IO, 256 * MIB)

    def post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """One transaction for each of the three."""
        config = self.config
        self._pciexbar(int.from_bytes(config[0x60:0x68], "little"))
        self.machine.memory.begin()
        self.pam.update(config[0x90:0x97])
        self.machine.memory.commit()
        self._smram()
        self._queries()
        return None

    def system_reset(self) -> None:
        """PCIEXBAR and SMRAM as at reset; PAM is applied again as it is, for its registers are kept."""
        super().system_reset()
        config = self.config
        self._pciexbar(int.from_bytes(config[0x60:0x68], "little"))
        self.machine.memory.begin()
        self.pam.update(config[0x90:0x97])
        self.machine.memory.commit()
        self._smram()

    def _queries(self) -> None:
        """Two registers that a guest asks by writing ones: the loaded value is answered, or lost (pci.md 5.3)."""
        function = self.handler.function
        assert function is not None
        config = bytearray(function.config)
        if config[0x50:0x52] == b"\xff\xff":
            config[0x50:0x52] = (self.EXTENDED_TSEG // MIB).to_bytes(2, "little")
        config[0x9C] = 1 if config[0x9C] == 0xFF else 0
        function.config = bytes(config)

    def _pciexbar(self, register: int) -> None:
        memory, mmcfg, system = self.machine.memory, self.mmcfg, self.machine.system
        code = register >> 1 & 3
        if code == 3:
            return
        mask = 0xF_F000_0000
        if code == 1:
            mask |= 1 << 26 | 1 << 25
        elif code == 2:
            mask |= 1 << 25
        memory.begin()
        if mmcfg.container is not None:
            memory.del_subregion(mmcfg.container, mmcfg)
        if register & 1:
            memory.set_size(mmcfg, (256, 128, 64)[code] * MIB)
            memory.add_subregion(system, register & mask, mmcfg)
        memory.commit()

    def _smram(self) -> None:
        machine, memory = self.machine, self.machine.memory
        function = self.handler.function
        assert function is not None
        config = function.config
        control, extended = config[0x9D], config[0x9E]
        if control & 0x10 and control & 0x40:
            control &= ~0x40
            function.config = config[:0x9D] + bytes([control]) + config[0x9E:]
        high, is_open, enabled = bool(extended & 0x80), bool(control & 0x40), bool(control & 0x08)
        memory.begin()
        if is_open:
            states = {"smram-region": high, "smram-open-high": high}
        else:
            states = {"smram-region": True, "smram-open-high": False}
        states["smram-low"] = enabled and not high
        states["smram-high"] = enabled and high
        for name, state in states.items():
            region = machine.optional(name)
            if region is not None:
                memory.set_enabled(region, enabled=state)
        self._tseg(extended, active=bool(extended & 1) and enabled)
        memory.commit()

    def _tseg(self, extended: int, *, active: bool) -> None:
        machine, memory = self.machine, self.machine.memory
        size = (MIB, 2 * MIB, 8 * MIB, self.extended_tseg)[extended >> 1 & 3] if active else 0
        start = machine.description.below_4g - size
        blackhole, window = machine.optional("tseg-blackhole"), machine.optional("tseg-window")
        if blackhole is not None and blackhole.container is not None:
            container, priority = blackhole.container, blackhole.priority
            memory.del_subregion(container, blackhole)
            memory.set_enabled(blackhole, enabled=active)
            memory.set_size(blackhole, size)
            memory.add_subregion(container, start, blackhole, priority)
        if window is not None:
            memory.set_enabled(window, enabled=active)
            memory.set_size(window, size)
            memory.set_address(window, start)
            memory.set_alias_offset(window, start)


class Ich9Lpc(Effects):
    """The q35 ISA bridge: the power-management ports, then the root complex registers (pci.md 5.4)."""

    vmsd: ClassVar[str] = "ICH9LPC"
    pre: ClassVar[frozenset[str]] = frozenset({"ich9_pm/cpuhp"})
    post: ClassVar[frozenset[str]] = frozenset({"ICH9LPC"})

    def __init__(self, machine: Machine, handler: Handler) -> None:
        super().__init__(machine, handler)
        self.rcrb = machine.optional("lpc-rcrb-mmio") or Region("lpc-rcrb-mmio", Kind.IO, 0x4000)
        self.processors = CpuHotplug(machine)

    def pre_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """The guest has switched to the narrow ports."""
        self.processors.switch()
        return None

    def post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """The RCBA part takes for granted that it is unmapped: a second section dies there when it is on."""
        memory, config = self.machine.memory, self.config
        base = _dword(config, 0x40) & 0xFF80 if config[0x44] & 0x80 else 0
        ports = self.machine.optional("ich9-pm")
        if ports is not None:
            memory.begin()
            memory.set_enabled(ports, enabled=base != 0)
            memory.set_address(ports, base)
            memory.commit()
        root = _dword(config, 0xF0)
        if root & 1:
            memory.add_subregion(self.machine.system, root & 0xFFFF_C000, self.rcrb, 1)
        return None

    def system_reset(self) -> None:
        """The ports and the root complex registers go."""
        super().system_reset()
        memory, ports = self.machine.memory, self.machine.optional("ich9-pm")
        if ports is not None:
            memory.begin()
            memory.set_enabled(ports, enabled=False)
            memory.set_address(ports, 0)
            memory.commit()
        if self.rcrb.container is not None:
            memory.del_subregion(self.rcrb.container, self.rcrb)


class I440fx(Effects):
    """The i440fx host bridge: PAM and SMRAM in one transaction (pci.md 5.3)."""

    vmsd: ClassVar[str] = "I440FX"
    post: ClassVar[frozenset[str]] = frozenset({"I440FX"})

    def __init__(self, machine: Machine, handler: Handler) -> None:
        super().__init__(machine, handler)
        self.pam = Pam(machine)

    def post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """Always one commit."""
        machine, memory, config = self.machine, self.machine.memory, self.config
        memory.begin()
        self.pam.update(config[0x59:0x60])
        hidden, smram = machine.optional("smram-region"), machine.optional("smram")
        if hidden is not None:
            memory.set_enabled(hidden, enabled=not config[0x72] & 0x40)
        if smram is not None:
            memory.set_enabled(smram, enabled=bool(config[0x72] & 0x08))
        memory.commit()
        return None


class Piix4Pm(Effects):
    """The i440fx power management function: two port ranges, each re-applied in a transaction (pci.md 5.4)."""

    vmsd: ClassVar[str] = "piix4_pm"
    pre: ClassVar[frozenset[str]] = frozenset({"piix4_pm/cpuhp"})
    post: ClassVar[frozenset[str]] = frozenset({"piix4_pm"})

    def __init__(self, machine: Machine, handler: Handler) -> None:
        super().__init__(machine, handler)
        self.processors = CpuHotplug(machine)

    def pre_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """The guest has switched to the narrow ports."""
        self.processors.switch()
        return None

    def post_load(self, load: LoadState, vmsd: str, path: str) -> Refusal | None:
        """Enabled and address of both."""
        config = self.config
        self._ports("piix4-pm", _dword(config, 0x40) & 0xFFC0, enabled=bool(config[0x80] & 1))
        self._ports("pm-smbus", _dword(config, 0x90) & 0xFFC0, enabled=bool(config[0xD2] & 1))
        return None

    def system_reset(self) -> None:
        """The ports of power management close where they are; those of the SMBus stay as a guest has set them."""
        super().system_reset()
        self._ports("piix4-pm", _dword(self.config, 0x40) & 0xFFC0, enabled=False)

    def _ports(self, name: str, base: int, *, enabled: bool) -> None:
        region, memory = self.machine.optional(name), self.machine.memory
        if region is None:
            return
        memory.begin()
        memory.set_enabled(region, enabled=enabled)
        memory.set_address(region, base)
        memory.commit()
