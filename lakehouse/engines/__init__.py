"""Engines: what computes the platform's tables, one protocol with an embedded and a Spark implementation.

`protocol.py` and `choice.py` lie below everything that is computed and name declarations for type checkers only, so
that every package may ask an engine. `embedded/` and `spark/` lie above everything, implement the protocol in files of
the same names, and are imported by `choice.py` alone, when an engine is first asked for.
"""
