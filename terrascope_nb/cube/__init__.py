"""Items become a lazy Dataset (time, y, x) with physical values."""
