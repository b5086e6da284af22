"""Questions the platform answers itself."""
