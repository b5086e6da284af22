"""One window of one file, as fast as the disk or the network allows."""
