"""A simulated imaging satellite, a process of its own: its bus speaks space packets over TCP."""

from mappers.satellite.simulator.command_line import main

__all__ = ["main"]
