"""Trainings and tests: changes of their config, and the runner that executes them."""
