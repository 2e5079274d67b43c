"""A resumed training ends with the weights of one that was never interrupted, bit for bit."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from msrcnn_mm.engine.hooks import exact_resume
from tests.support.exact_runs import BATCH, IMAGES, ITERATIONS, digest, train

LAST = f"iter_{ITERATIONS}.pth"
EPOCH = IMAGES // BATCH


def resumed(folder: Path, run: Path, iteration: int, **settings: Any) -> dict[int, float]:
    """Resumes another run from one of its checkpoints; another seed in the config is ignored."""
    checkpoint = str(run / f"iter_{iteration}.pth")
    return train(folder, resume=True, load_from=checkpoint, randomness=dict(seed=7), **settings)


def check(folder: Path, iterations: list[int], **settings: Any) -> None:
    losses = train(folder / "run", **settings)
    for iteration in iterations:
        again = resumed(folder / str(iteration), folder / "run", iteration, **settings)
        assert again == {i: losses[i] for i in range(iteration, ITERATIONS)}
        if iteration < ITERATIONS:
            assert digest(folder / str(iteration) / LAST) == digest(folder / "run" / LAST)


def test_from_every_iteration_of_an_epoch_and_from_its_end(tmp_path: Path) -> None:
    check(tmp_path, [1, 3, EPOCH, EPOCH + 1, ITERATIONS - 1])


def test_without_the_hook_it_ends_elsewhere(tmp_path: Path) -> None:
    """What mmengine 0.10.7 does; the hook may go when this fails."""
    train(tmp_path / "run", exact=False)
    resumed(tmp_path / "again", tmp_path / "run", EPOCH, exact=False)
    assert digest(tmp_path / "again" / LAST) != digest(tmp_path / "run" / LAST)


@pytest.mark.parametrize(
    "sampler", ["DefaultSampler", "InfiniteSampler"], ids=["passes", "infinite"]
)
def test_in_a_loop_of_iterations(tmp_path: Path, sampler: str) -> None:
    loop = dict(by_epoch=False, max_iters=ITERATIONS)
    check(tmp_path, [3, EPOCH, EPOCH + 2], loop=loop, loader=dict(sampler=dict(type=sampler)))


def test_the_number_of_workers_changes_nothing(tmp_path: Path) -> None:
    losses = train(tmp_path / "run")
    for workers, persistent in ((2, True), (1, False)):
        loader = dict(persistent_workers=persistent)
        folder = tmp_path / str(workers)
        again = resumed(folder, tmp_path / "run", 3, workers=workers, loader=loader)
        assert again == {i: losses[i] for i in range(3, ITERATIONS)}


def test_images_of_a_batch_differ_and_so_do_those_of_an_epoch(tmp_path: Path) -> None:
    seen = train(tmp_path, loader=dict(sampler=dict(type="DefaultSampler", shuffle=False)))
    assert len({*seen.values()}) == ITERATIONS


def test_gradients_that_wait_for_the_optimizer_are_kept(tmp_path: Path) -> None:
    check(tmp_path, [3, 4, EPOCH + 2], optimizer=dict(accumulative_counts=3))
    assert "gradients" in torch.load(tmp_path / "run" / "iter_4.pth")
    assert "gradients" not in torch.load(tmp_path / "run" / "iter_3.pth")


def test_the_epoch_starts_again_where_its_batches_have_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(exact_resume, "print_log", lambda text, **_: said.append(text))
    train(tmp_path / "run")
    seen = resumed(tmp_path / "again", tmp_path / "run", 3, loader=dict(batch_size=5))
    assert len(seen) == 3 * IMAGES // 5
    assert said == [
        "the checkpoint was saved after batch 3 of an epoch of 5; batches have changed since, so "
        "the epoch starts again"
    ]


def test_a_loader_that_is_no_config_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(exact_resume, "print_log", lambda text, **_: said.append(text))
    for loader in (DataLoader([0]), dict(batch_size=None)):
        runner: Any = SimpleNamespace(train_loop=None, _train_dataloader=loader)
        exact_resume.ExactResumeHook().before_train(runner)
    assert len(said) == 2
    assert "cannot be resumed exactly" in said[0]
