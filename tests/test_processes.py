"""Tests that several processes give what one gives, and when there is only one."""

import multiprocessing
import os

import numpy as np
import pytest
import torch

from msrcnn_mm import processes
from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.processes import in_processes, progress
from msrcnn_mm.rescoring.features.collect import features_of
from msrcnn_mm.rescoring.features.views import View
from tests.support.rescoring_scenes import changed_view, random_results


def cores(monkeypatch: pytest.MonkeyPatch, many: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(many)))


def used(items: int) -> list[int]:
    """Returns the ids of the processes that have done the items, other than this one."""
    own = os.getpid()
    found = list(in_processes(lambda item: (item, os.getpid()), range(items), "items"))
    assert [item for item, _ in found] == list(range(items))
    return sorted({process for _, process in found} - {own})


@pytest.mark.parametrize("in_files", [True, False])
def test_progress_in_files(in_files, monkeypatch, capsys):
    monkeypatch.setattr(processes, "_DELAY", 0)
    monkeypatch.setattr(processes, "_LOGGED", 0)
    assert [*progress(range(3), "tiles", 3, in_files)] == [0, 1, 2]
    assert ("tiles:  67%" in capsys.readouterr().err) is in_files


@pytest.mark.parametrize("many", [2, 3])
def test_features_are_the_same_by_any_number_of_processes(many, monkeypatch):
    rows, masks = random_results(0, images=30, most=12)
    view = View("v.json", Detections.from_rows(changed_view(0, rows, masks)[0]))
    cores(monkeypatch, 1)
    expected = features_of(Detections.from_rows(rows), [view])
    cores(monkeypatch, many)
    monkeypatch.setattr(processes, "_FEW", 1)
    monkeypatch.setattr(processes, "_AT_ONCE", 4)
    (torch.ones(300, 300) @ torch.ones(300, 300)).sum()  # threads of torch are no obstacle
    found = features_of(Detections.from_rows(rows), [view])
    assert found.names == expected.names
    np.testing.assert_array_equal(found.values, expected.values)


def test_many_items_are_shared_out_and_few_are_not(monkeypatch):
    cores(monkeypatch, 2)
    assert 1 <= len(used(1000)) <= 2
    assert not used(processes._FEW - 1)
    cores(monkeypatch, 1)
    assert not used(1000)


def test_errors_come_through(monkeypatch):
    cores(monkeypatch, 2)
    with pytest.raises(ZeroDivisionError):
        list(in_processes(lambda item: 1 // (item - 999), range(1000), "items"))


def test_a_process_without_children_does_all_by_itself(monkeypatch):
    cores(monkeypatch, 2)
    context = multiprocessing.get_context("fork")
    found = context.Queue()
    child = context.Process(target=lambda: found.put(used(1000)), daemon=True)
    child.start()
    assert found.get(timeout=60) == []
    child.join()
