"""Bluetooth Low Energy: GATT characteristics and advertisements, through BlueZ or a controller of one's own."""
