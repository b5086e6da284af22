"""A map becomes files."""
