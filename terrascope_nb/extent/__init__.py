"""Where, when and on which tile: area of interest, period, places, MGRS."""
