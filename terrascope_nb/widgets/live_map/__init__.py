"""The map: its layers, where their tiles come from and how they reach the browser."""
