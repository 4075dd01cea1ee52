"""Memory-region caches: what they show, and when they are stale (memory.md 7)."""

from __future__ import annotations

from model.memory import T64, Kind, Memory, Region, cache_init, read


def board() -> tuple[Memory, Region, Region]:
    m = Memory()
    root = Region("system", Kind.CONTAINER, T64)
    ram = Region("pc.ram", Kind.RAM, 0x4000, block="pc.ram")
    m.add_subregion(root, 0, ram)
    m.add_subregion(root, 0x9000, Region("device", Kind.IO, 0x1000))
    m.add_space("memory", root)
    m.ram.add_block("pc.ram", 0x4000)
    m.ram.write("pc.ram", 0x1000, b"ring")
    return m, root, ram


def test_a_stale_cache_still_reads_the_old_layout() -> None:
    m, _, ram = board()
    space = m.spaces[0]
    cache = cache_init(m, space, 0x1000, 0x100, False, "test")
    assert (cache.region, cache.xlat, cache.length, cache.pointer) == (ram, 0x1000, 0x100, True)
    assert cache.view is space.current
    m.set_enabled(ram, False)
    assert cache.view is not space.current
    assert cache.read(0, 4) == b"ring"
    assert read(m, space, 0x1000, 4, "test") == bytes(4)


def test_a_cache_made_in_a_transaction_shows_what_was_before() -> None:
    m, root, ram = board()
    m.del_subregion(root, ram)
    m.begin()
    m.add_subregion(root, 0, ram)
    cache = cache_init(m, m.spaces[0], 0x1000, 0x100, True, "test")
    assert (cache.region, cache.xlat, cache.length, cache.pointer) == (None, 0x1000, 0x100, False)
    assert cache.read(0, 4) == bytes(4)
    m.commit()
    assert cache.read(0, 4) == bytes(4)


def test_behind_a_handler_there_is_no_pointer_and_the_length_is_clamped() -> None:
    m, _, _ = board()
    m.mmio = lambda region, offset, length: bytes([offset & 0xFF] * length)
    cache = cache_init(m, m.spaces[0], 0x9010, 0x2000, False, "test")
    assert (cache.xlat, cache.length, cache.pointer) == (0x10, 0xFF0, False)
    assert cache.read(4, 2) == b"\x14\x14"


def test_read_only_memory_for_writing_gives_no_pointer() -> None:
    m, _, ram = board()
    m.set_readonly(ram, True)
    assert not cache_init(m, m.spaces[0], 0, 8, True, "test").pointer
    assert cache_init(m, m.spaces[0], 0, 8, False, "test").pointer
