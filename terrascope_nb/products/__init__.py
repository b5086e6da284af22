"""What Terrascope offers, as data: one TOML table per product."""
