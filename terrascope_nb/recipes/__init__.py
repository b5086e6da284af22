"""Whole jobs in one call, made of the rooms below."""
