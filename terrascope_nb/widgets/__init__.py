"""The door in a notebook: the map, the pickers and the explorer."""
