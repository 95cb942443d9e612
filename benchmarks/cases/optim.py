"""One update of all parameters."""
