"""The simulated satellite, and any that speaks space packets: its bus as a device, its orbit and its contacts."""
