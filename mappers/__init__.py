"""Mappers: they talk to devices, and to the rest over MQTT only."""
