"""The schedule of resumed trainings; the reference is a training that followed it throughout."""

from pathlib import Path
from typing import Any

import pytest
import torch

from msrcnn_mm.engine.hooks import resume
from tests.support.toy_runs import read_checkpoint, train


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The warnings of the hook."""
    messages: list[str] = []
    monkeypatch.setattr(resume, "print_log", lambda text, **_: messages.append(text))
    return messages


def steps(*milestones: int, warmup: int = 3, **settings: Any) -> list[dict]:
    """Schedules a warm-up by iteration and steps by epoch."""
    return [
        dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=warmup),
        dict(type="MultiStepLR", milestones=list(milestones), **settings),
    ]


def cosine(epochs: int, **settings: Any) -> list[dict]:
    by_iteration = dict(by_epoch=True, convert_to_iter_based=True)
    return [dict(type="CosineAnnealingLR", T_max=epochs, **by_iteration, **settings)]


ADAM = dict(optimizer=dict(type="AdamW", lr=0.01))
MOMENTA = [
    dict(type="LinearMomentum", start_factor=0.5, by_epoch=False, begin=0, end=20),
    dict(type="MultiStepMomentum", milestones=[3, 5], gamma=0.9),
]
SCHEDULES = {
    "later milestones": (steps(1, 2, end=3), steps(4, 5, end=6), {}),
    "earlier milestones": (steps(4, 5), steps(1, 4), {}),
    "another gamma": (steps(2, 5), steps(2, 5, gamma=0.5), {}),
    "a warm-up across milestones": (steps(1, 2), steps(2, 5, warmup=18), {}),
    "steps, then a cosine": (steps(1, 2), cosine(6), {}),
    "a longer cosine": (cosine(3, eta_min=0.01), cosine(6, eta_min=0.01), {}),
    "by default to the end": ([dict(type="PolyLR")], [dict(type="PolyLR")], {}),
    "one cycle": ([dict(type="OneCycleLR", eta_max=0.3)], [dict(type="OneCycleLR", eta_max=1)], {}),
    "restarts": (
        [dict(type="CosineRestartLR", periods=[1, 2], restart_weights=[1, 0.5], eta_min=0)],
        [dict(type="CosineRestartLR", periods=[2, 4], restart_weights=[1, 0.5], eta_min=0)],
        {},
    ),
    "powers": (
        [dict(type="ExponentialLR", gamma=0.9)],
        [dict(type="StepLR", step_size=2), dict(type="ConstantLR", factor=0.5, end=5)],
        {},
    ),
    "none, then some": (None, steps(2, 4), {}),
    "some, then none": (steps(1), None, {}),
    "momenta": (steps(2), MOMENTA, {}),
    "momenta of Adam": (steps(2), MOMENTA, ADAM),
    "groups": (steps(1), steps(4), dict(paramwise=dict(bias_lr_mult=2))),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_resumed_training_follows_the_new_schedule(
    name: str, tmp_path: Path, said: list[str]
) -> None:
    old, new, settings = SCHEDULES[name]
    train(tmp_path / "run", old, 3, **settings)
    resumed = train(tmp_path / "run", new, 6, resume=True, **settings)
    reference = train(tmp_path / "reference", new, 6, **settings)
    assert resumed == reference[12:]
    assert len({str(values) for _, values in resumed}) > 1 or new is None
    (message,) = [text for text in said if "follows the config's param_scheduler" in text]
    assert "epoch_3.pth: " in message
    assert f"the learning rate is {resumed[0][1][-1][0]:.4g} where it was " in message


def test_what_changed_is_said(tmp_path: Path, said: list[str]) -> None:
    train(tmp_path, steps(1, 2, end=3), 3)
    train(tmp_path, steps(4, 5, end=6), 6, resume=True)
    train(tmp_path, cosine(8), 8, resume=True, optimizer=dict(type="SGD", lr=0.2, momentum=0.9))
    train(tmp_path, cosine(8), 9, resume=True, optimizer=dict(type="SGD", lr=0.4, momentum=0.9))
    assert [text.partition(" (")[2] for text in said if "follows" in text] == [
        "MultiStepLR: milestones [1, 2] -> [4, 5], end 3 -> 6)",
        "2 schedulers there, 1 in the config)",
        "CosineAnnealingLR: end 32 -> 36, base_values 0.2 -> 0.4)",
    ]


def iteration(path: Path) -> int:
    return int(path.stem.partition("_")[2])


@pytest.mark.parametrize(
    ("schedule", "saved"),
    [
        ([*steps(2, 5, warmup=14, end=6), *MOMENTA], {}),
        ([*steps(2, 5, warmup=14, end=6), *MOMENTA], dict(by_epoch=False)),
        ([dict(type="OneCycleLR", eta_max=0.3)], {}),
        ([dict(type="CosineRestartLR", periods=[2, 4], restart_weights=[1, 1], eta_min=0)], {}),
        (cosine(6), {}),
        (None, {}),
    ],
)
def test_the_same_schedule_resumes_bit_by_bit_as_before(
    tmp_path: Path, schedule: Any, saved: dict, said: list[str]
) -> None:
    """Also at the learning rate that something else than a scheduler has set."""
    ends = []
    for ours in (False, True):
        folder = tmp_path / str(ours)
        torch.manual_seed(0)
        train(folder, schedule, 6, checkpoint=saved, ours=ours)
        middle = folder / ("iter_13.pth" if saved else "epoch_3.pth")
        checkpoint = read_checkpoint(middle)
        checkpoint["optimizer"]["param_groups"][0]["lr"] *= 0.3
        torch.save(checkpoint, middle)
        seen = train(folder, schedule, 6, resume=True, load_from=str(middle), ours=ours)
        last = read_checkpoint(max(folder.glob("*_*.pth"), key=iteration))
        weights = last["state_dict"]["layer.weight"].tolist()
        ends.append((seen, last.get("param_schedulers"), weights))
    assert ends[0] == ends[1]
    assert [text for text in said if schedule is not None or "checkpoint's lr" not in text] == []


def test_another_learning_rate_and_its_scaling_are_followed(
    tmp_path: Path, said: list[str]
) -> None:
    train(tmp_path / "run", steps(2, 4), 3)
    settings: Any = dict(
        batch_size=4,
        auto_scale_lr=dict(enable=True, base_batch_size=16),
        optimizer=dict(type="SGD", lr=0.3, momentum=0.9),
    )
    resumed = train(tmp_path / "run", steps(2, 4), 6, resume=True, **settings)
    reference = train(tmp_path / "reference", steps(2, 4), 6, **settings)
    assert [values for _, values in resumed] == [values for _, values in reference[6:]]
    assert resumed[0][1][0][0] == pytest.approx(0.3 / 4 / 10)


def test_epochs_of_another_length_count_as_epochs(tmp_path: Path) -> None:
    """A larger batch: half as many iterations in each of the epochs that are left."""
    train(tmp_path / "run", cosine(6), 3)
    resumed = train(tmp_path / "run", cosine(6), 6, resume=True, batch_size=4)
    reference = train(tmp_path / "reference", cosine(6), 6, batch_size=4)
    assert [values for _, values in resumed] == [values for _, values in reference[6:]]
    # and once more, where the number of iterations is that of no epoch
    train(tmp_path / "run", cosine(8), 8, resume=True, batch_size=4)
    resumed = train(tmp_path / "run", cosine(9), 9, resume=True, batch_size=4)
    reference = train(tmp_path / "reference_9", cosine(9), 9, batch_size=4)
    assert [values for _, values in resumed] == [values for _, values in reference[16:]]


def by_iteration(*milestones: int) -> list[dict]:
    return [dict(type="MultiStepLR", milestones=list(milestones), by_epoch=False)]


def test_a_loop_of_iterations(tmp_path: Path, said: list[str]) -> None:
    train(tmp_path / "run", by_iteration(2, 4), iterations=6)
    resumed = train(tmp_path / "run", by_iteration(7, 10), iterations=12, resume=True)
    reference = train(tmp_path / "reference", by_iteration(7, 10), iterations=12)
    assert resumed == reference[6:]
    said.clear()
    train(tmp_path / "run", by_iteration(7, 10), iterations=20, resume=True)
    (followed, stays) = said
    assert "end 12 -> 20" in followed
    assert stays.startswith("the learning rate has fallen to 0.001 by iter 12 and stays so to the ")


def test_the_middle_of_an_epoch(tmp_path: Path) -> None:
    train(tmp_path / "run", by_iteration(3), 2, checkpoint=dict(by_epoch=False))
    middle = str(tmp_path / "run" / "iter_6.pth")
    resumed = train(tmp_path / "run", by_iteration(5, 8), 3, resume=True, load_from=middle)
    reference = train(tmp_path / "reference", by_iteration(5, 8), 4)
    assert resumed == reference[6 : 6 + len(resumed)]


def test_a_checkpoint_without_optimizer_and_schedule(tmp_path: Path, said: list[str]) -> None:
    """The best checkpoint of a training is one."""
    without = dict(save_optimizer=False, save_param_scheduler=False)
    train(tmp_path / "run", steps(2, 4), 3, checkpoint=without)
    resumed = train(tmp_path / "run", steps(2, 4), 6, resume=True)
    assert resumed == train(tmp_path / "reference", steps(2, 4), 6)[12:]
    assert "holds no state of the optimizer" in said[0]
    assert "0 schedulers there, 2 in the config" in said[1]


@pytest.mark.parametrize(
    ("old", "new", "stays"),
    [
        # more epochs, and the schedule was forgotten
        ((steps(1, 2, end=3), 3), (steps(1, 2, end=3), 6), "0.001 by epoch 3"),
        ((steps(1, 2), 3), (steps(1, 2), 6), "0.001 by epoch 3"),
        ((cosine(3, eta_min=0.01, end=3), 3), (cosine(3, eta_min=0.01, end=3), 6), "0.01153 by"),
        # a schedule that ends before the training does, as it was from the start
        ((steps(1, 2, end=3), 6), (steps(1, 2, end=3), 6), "0.001 by epoch 3"),
        # the last epochs of a training that goes as planned
        ((steps(1, 2, end=6), 6), (steps(1, 2, end=6), 6), None),
        # the milestones follow
        ((steps(1, 2, end=3), 3), (steps(4, 5, end=6), 6), None),
        # it never falls
        ((steps(9, end=3), 3), (steps(9, end=3), 6), None),
        ((None, 3), (None, 6), None),
    ],
)
def test_a_learning_rate_that_stays_low_is_said(
    old: tuple, new: tuple, stays: str | None, tmp_path: Path, said: list[str]
) -> None:
    train(tmp_path, *old)
    said.clear()
    seen = train(tmp_path, *new, resume=True, load_from=str(tmp_path / "epoch_3.pth"))
    messages = [text for text in said if "stays" in text]
    assert len(messages) == (stays is not None)
    if stays is not None:
        assert messages[0].startswith(f"the learning rate has fallen to {stays}")
        (rate,) = {values[0][0] for _, values in seen}
        assert float(stays.split()[0]) == pytest.approx(rate, rel=1e-3)


def test_a_schedule_by_results_goes_on_from_its_learning_rate(
    tmp_path: Path, said: list[str]
) -> None:
    def plateau(patience: int) -> list[dict]:
        return [*steps(1), dict(type="ReduceOnPlateauLR", monitor="loss", patience=patience)]

    train(tmp_path, plateau(2), 3)
    middle = tmp_path / "epoch_3.pth"
    checkpoint = read_checkpoint(middle)
    checkpoint["optimizer"]["param_groups"][0]["lr"] = 0.007
    checkpoint["param_schedulers"][2].update(best=0.25, num_bad_epochs=2)
    torch.save(checkpoint, middle)
    seen = train(tmp_path, plateau(5), 6, resume=True)
    assert {values[0][0] for _, values in seen} == {0.007}
    assert any("the learning rate stays 0.007, because a ReduceOnPlateau" in text for text in said)
    state = read_checkpoint(tmp_path / "epoch_6.pth")["param_schedulers"][2]
    assert (state["patience"], state["best"], state["num_bad_epochs"]) == (5, 0.25, 2)


@pytest.mark.parametrize("epochs", [2, 3])
def test_nothing_left_to_train_is_said(epochs: int, tmp_path: Path, said: list[str]) -> None:
    train(tmp_path, steps(1), 3)
    assert train(tmp_path, steps(1), epochs, resume=True) == []
    (message,) = said
    assert f"nothing is left to train: it is of epoch 3, and train_cfg.max_epochs is {epochs};" in (
        message
    )
