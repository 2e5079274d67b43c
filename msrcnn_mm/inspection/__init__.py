"""Inspection of data sets: what is wrong with annotations and images, all of it, by kind."""
