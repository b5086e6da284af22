"""A small real archive, so that everything can be tried with no platform and no network."""
