"""The explorer: results, dates and scenes beside the pickers and the map."""
