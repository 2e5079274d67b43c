"""The schedule of a training that resumes: the config's, not the checkpoint's.

A checkpoint holds every scheduler with its settings, and mmengine restores all of it in the place
of the config's. Milestones that were changed for more epochs are lost without a message.
"""

import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

from mmengine.optim import OptimWrapper, ReduceOnPlateauParamScheduler, _ParamScheduler
from mmengine.runner import EpochBasedTrainLoop, Runner

# entries of a scheduler's state that are its progress and not its settings
_OF_PLATEAU = ("best", "cooldown_counter", "num_bad_epochs")
_PROGRESS = ("last_step", "_global_step", "_last_value", "verbose", *_OF_PLATEAU)


class SteppedSchedulers:
    """Steps copies of schedulers through a training, without the training.

    Attributes:
        schedulers: The copies.
        groups: The parameter groups that they set, without parameters.
        changed: Whether a step has changed a learning rate since this was last set to False.
    """

    def __init__(
        self, schedulers: Sequence[_ParamScheduler], optimizer: OptimWrapper, epoch_length: int
    ) -> None:
        self.groups: list[dict[str, Any]] = [
            {key: value for key, value in group.items() if key != "params"}
            for group in optimizer.param_groups
        ]
        self.changed = False
        self.schedulers = [copy.copy(scheduler) for scheduler in schedulers]
        # a scheduler's first step warns unless its optimizer has counted one
        stepped = dict(step=SimpleNamespace(_with_counter=True), _global_step=0)
        for scheduler in self.schedulers:
            scheduler.__dict__.update(copy.deepcopy(scheduler.state_dict()))
            scheduler.optimizer = SimpleNamespace(param_groups=self.groups, **stepped)
        self._epoch_length = epoch_length
        self._epochs = self._iterations = 0

    def advance(self, epochs: int, iterations: int) -> None:
        """Steps on, in the order of a training, until so many of each have passed in all."""
        while self._iterations < iterations:
            self._step(by_epoch=False)
            self._iterations += 1
            if self._iterations % self._epoch_length == 0 and self._epochs < epochs:
                self._end_epoch()
        while self._epochs < epochs:
            self._end_epoch()

    def _end_epoch(self) -> None:
        self._step(by_epoch=True)
        self._epochs += 1

    def _step(self, by_epoch: bool) -> None:
        before = [group["lr"] for group in self.groups]
        for scheduler in self.schedulers:
            if scheduler.by_epoch == by_epoch:
                scheduler.step()
        self.changed |= before != [group["lr"] for group in self.groups]


def follow_config(runner: Runner, checkpoint: dict, filename: str) -> Iterator[str]:
    """Puts the config's schedule into a checkpoint that holds another one.

    The schedule is stepped from its beginning to where the training resumes. Learning rates and
    momenta from there on are those of a training that followed it throughout. A checkpoint of the
    same schedule stays as it is. With a ``ReduceOnPlateau`` the learning rate stays that of the
    checkpoint, because it depends on the results of the epochs before.

    Args:
        runner: The runner that resumes, with its optimizer and schedulers built.
        checkpoint: As loaded; changed in place.
        filename: Its name, for messages.

    Yields:
        Warnings: nothing is left to train; the schedule differs; the learning rate has fallen and
        stays there for all epochs that were added or that no scheduler reaches.
    """
    loop, meta = runner.train_loop, checkpoint["meta"]
    info = (checkpoint.get("message_hub") or {}).get("runtime_info") or {}
    by_epoch = isinstance(loop, EpochBasedTrainLoop)
    unit, key = ("epoch", "max_epochs") if by_epoch else ("iter", "max_iters")
    end = getattr(loop, key)
    if meta[unit] >= end:
        yield (
            f"{filename}: nothing is left to train: it is of {unit} {meta[unit]}, and train_cfg."
            f"{key} is {end}; to train on, set a larger one"
        )
        return
    length = len(loop.dataloader)
    schedulers = runner.param_schedulers or []
    stepped = SteppedSchedulers(schedulers, runner.optim_wrapper, length)
    difference = _difference(checkpoint.get("param_schedulers") or [], schedulers)
    if difference:
        if by_epoch:
            stepped.advance(meta["epoch"], _iterations(meta, info, length))
        else:
            stepped.advance(0, meta["iter"])
        yield f"{filename}: {_replace(runner, checkpoint, stepped)} ({difference})"
    # all schedulers have ended, or the epochs that the training had before have
    planned = min(info.get(key, end), _reach(schedulers, by_epoch, length))
    if planned >= end or any(map(_is_plateau, schedulers)):
        return
    stepped.advance(*((planned, planned * length) if by_epoch else (0, planned)))
    stepped.changed = False
    stepped.advance(*((end - 1, end * length - 1) if by_epoch else (0, end - 1)))
    group = stepped.groups[-1]
    if not stepped.changed and group["lr"] < group.get("initial_lr", group["lr"]):
        yield (
            f"the learning rate has fallen to {group['lr']:.4g} by {unit} {planned} and stays so "
            f"to the end, {unit} {end}; to change that, give param_scheduler the milestones and "
            f"ends of a training of {end} and resume again"
        )


def _reach(schedulers: Sequence[_ParamScheduler], by_epoch: bool, length: int) -> int:
    """Returns the epoch or iteration at which the last scheduler ends."""
    ends = [scheduler.end for scheduler in schedulers if scheduler.by_epoch == by_epoch]
    if by_epoch:  # the others count iterations
        ends += [-(-s.end // length) for s in schedulers if not s.by_epoch]
    return max(ends, default=0)


def scheduled_names(runner: Runner, checkpoint: dict) -> set[str]:
    """Returns what the schedulers of a config or a checkpoint set: ``lr``, ``momentum``."""
    names = {scheduler.param_name for scheduler in runner.param_schedulers or []}
    return names | {state["param_name"] for state in checkpoint.get("param_schedulers") or []}


def _is_plateau(scheduler: _ParamScheduler) -> bool:
    return isinstance(scheduler, ReduceOnPlateauParamScheduler)


def _iterations(meta: dict, info: dict, length: int) -> int:
    """Returns how many iterations a training of epochs has behind it.

    Where the length of an epoch has changed, with the batch size for example, it is the epochs that
    count.
    """
    start = meta["epoch"] * length
    before = info.get("max_iters", 0) // info.get("max_epochs", 1) or length
    if before == length and start <= meta["iter"] <= start + length:
        return meta["iter"]
    return start + meta["iter"] % before * length // before


def _difference(saved: Sequence[dict], schedulers: Sequence[_ParamScheduler]) -> str:
    """Describes how the settings of schedulers differ from saved ones; empty where they do not."""
    if len(saved) != len(schedulers):
        return f"{len(saved)} schedulers there, {len(schedulers)} in the config"
    parts = []
    for state, scheduler in zip(saved, schedulers, strict=True):
        old, new = (
            {key: value for key, value in each.items() if key not in _PROGRESS}
            for each in (state, scheduler.state_dict())
        )
        name = type(scheduler).__name__
        if old.keys() != new.keys():
            parts.append(f"another scheduler -> {name}")
        elif old != new:
            changed = [key for key in new if old[key] != new[key] and not key.startswith("_")]
            changes = (f"{key} {_text(old[key])} -> {_text(new[key])}" for key in changed)
            parts.append(f"{name}: {', '.join(changes)}")
    return "; ".join(parts)


def _text(setting: Any) -> str:
    """Writes a setting for a message."""
    if isinstance(setting, Counter):  # milestones
        return str(sorted(setting.elements()))
    if isinstance(setting, list) and len(set(map(str, setting))) == 1:  # one of each group
        return str(setting[0])
    return str(setting)


def _replace(runner: Runner, checkpoint: dict, stepped: SteppedSchedulers) -> str:
    """Puts a schedule at its present step into a checkpoint, and says so."""
    saved = checkpoint.get("param_schedulers") or []
    states = [copy.deepcopy(scheduler.state_dict()) for scheduler in stepped.schedulers]
    names = scheduled_names(runner, checkpoint)
    groups = runner.optim_wrapper.param_groups
    if "optimizer" in checkpoint:
        base = checkpoint["optimizer"].get("base_param_settings")
        groups = checkpoint["optimizer"]["param_groups"] + ([base] if base else [])
    before = groups[-1]["lr"]
    if any(map(_is_plateau, stepped.schedulers)):
        for state, old in zip(states, saved, strict=False):
            if all(key in old and old[key] == state.get(key) for key in ("monitor", "rule")):
                state.update({key: old[key] for key in _OF_PLATEAU})
        rate = f"the learning rate stays {before:.4g}, because a ReduceOnPlateau cannot be stepped "
        rate += "through the epochs before"
    else:
        for group, new in zip(groups, stepped.groups, strict=False):
            group.update({key: value for key, value in new.items() if _is_scheduled(key, names)})
        rate = f"the learning rate is {groups[-1]['lr']:.4g} where it was {before:.4g}"
    checkpoint["param_schedulers"] = states
    return f"the training follows the config's param_scheduler, not the checkpoint's: {rate}"


def _is_scheduled(key: str, names: set[str]) -> bool:
    """Returns whether schedulers of these parameters set an entry of a group."""
    if key == "betas":
        return "momentum" in names
    return key in names or key.partition("_")[2] in names  # as initial_lr
