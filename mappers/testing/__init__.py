"""The kit that tests any mapper: put a protocol on a `Rig`, subclass `Conformance` in a test module, run pytest."""
