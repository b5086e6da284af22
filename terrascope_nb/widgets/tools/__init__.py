"""Looking tools: what a person does with the layers of a map once they are there."""
