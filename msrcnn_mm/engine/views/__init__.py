"""Compares the masks of a detector between views of its images at test."""
