"""Inputs of reports, and readers of the pages written from them."""
