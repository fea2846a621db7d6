"""A recording in the place of the device that was recorded."""
