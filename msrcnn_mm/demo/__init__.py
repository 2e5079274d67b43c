"""The demo's drawn data set."""
