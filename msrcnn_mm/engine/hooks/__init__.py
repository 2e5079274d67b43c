"""Hooks that any runner of mmengine takes from a config."""
