"""Modbus: TCP, RTU on a serial line, RTU over TCP."""
