"""Pods as twins: what a manifest wants of a container engine, brought about and reported."""
