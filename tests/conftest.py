"""Prints what tests record, also where several processes run them; separates their visualizers."""

import sys

import pytest


@pytest.fixture(autouse=True)
def no_visualizers_of_other_tests():
    """Mmengine's hooks draw with the visualizer that its process made last under a new name."""
    visualization = sys.modules.get("mmengine.visualization")
    if visualization is not None:
        visualization.Visualizer._instance_dict.clear()


def pytest_terminal_summary(terminalreporter):
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")
