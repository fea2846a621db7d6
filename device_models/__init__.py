"""What is declared: YAML manifests become typed, validated devices. Pure: it reads files, nothing else."""

from device_models.load import Declarations, load
from device_models.load_objects import load_objects
from device_models.model import AccessMode, Conversion, DataType, Deadband, Device, Property
from device_models.problem import Problem
from device_models.protocols import ProtocolSchema

__all__ = [
    "AccessMode",
    "Conversion",
    "DataType",
    "Deadband",
    "Declarations",
    "Device",
    "Problem",
    "Property",
    "ProtocolSchema",
    "load",
    "load_objects",
]
