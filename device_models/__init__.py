"""What is declared: YAML manifests become typed, validated devices. Pure: it reads files, nothing else."""

from device_models.model import AccessMode, Conversion, DataType, Deadband, Device, Property

__all__ = ["AccessMode", "Conversion", "DataType", "Deadband", "Device", "Property"]
