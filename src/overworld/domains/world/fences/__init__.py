"""Geofences: places that tell when players come, go, stay or pass through."""
