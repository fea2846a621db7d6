"""The front door: command line, configuration and the composition of the rooms. No logic."""

__version__ = "0.1.0"
