"""Machine descriptions and seeds from a real QEMU."""
