"""Registers of PCI config space by the public specifications and data sheets; `vmformat.pci` puts them together."""
