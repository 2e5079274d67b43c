"""Builds the package; pyproject.toml describes it."""

from setuptools import setup

setup()
