"""The demonstration: synthetic people and the whole story played through the real services."""
