"""Engines: who carries the kernel to the data. One protocol, one file for each engine."""
