"""Searches the readers of files for inputs that they neither read nor refuse."""
