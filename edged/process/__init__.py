"""Pods without a container engine: their programs as processes of the node, kept by a small keeper each.

Imports nothing here: keepers run without what is installed beside Python.
"""
