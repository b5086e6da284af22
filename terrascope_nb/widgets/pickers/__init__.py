"""Choose an area, a period, a product and filters."""
