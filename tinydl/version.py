"""The version, where the packaging reads it without importing anything."""

__version__ = "0.1.0"
