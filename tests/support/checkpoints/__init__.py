"""Checkpoints of other codebases, networks written from their descriptions, and pickles."""
