"""Cube or table in, picture out."""
