"""Cube in, cube or table out; no network, no widgets, no product names."""
