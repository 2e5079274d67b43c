"""The command cost: its tables, and one line for each mistake."""

from pathlib import Path

import pytest

from msrcnn_mm.cli import cost
from msrcnn_mm.engine.cost.timing import Timing
from msrcnn_mm.errors import UserError
from tests.support.tiny import tiny_config


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def write_config(name: str, **model: object) -> str:
    config = tiny_config()
    config.merge_from_dict(dict(model=model))
    config.dump(name)
    return name


def row(text: str, start: str) -> list[str]:
    (line,) = (line for line in text.splitlines() if line.startswith(f"| {start} "))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_prints_a_table_a_config(capsys: pytest.CaptureFixture[str]) -> None:
    cost.main([write_config("tiny.py"), "--shape", "60", "90"])
    shown = capsys.readouterr()
    assert shown.out.startswith("tiny.py: image of 60 x 90, padded to 64 x 96\n")
    # 16 * 49 * 32 + 32 * 32 + 32 * (4 + 12) = 26,624 MACs a RoI
    assert row(shown.out, "roi_head.bbox_head") == [
        "roi_head.bbox_head",
        "26.7 k",
        "50",
        "26.6 k",
        "1.33 M",
    ]
    assert row(shown.out, "roi_head.mask_iou_head")[2] == "100"
    parts = ["backbone", "neck", "rpn_head", "roi_head.bbox_head", "roi_head.mask_head", "all"]
    starts = [line.split()[1] for line in shown.out.splitlines() if line.startswith("| ")]
    assert [start for start in starts if start in parts] == parts
    assert "ms an image" not in shown.out
    assert shown.err == "counting tiny.py\n"


def test_times_the_configs_against_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    few = dict(rcnn=dict(max_per_img=30))
    names = [write_config(name, test_cfg=few) for name in ("a.py", "b.py")]
    cost.main([*names, "--shape", "64", "64", "--time", "2"])
    out = capsys.readouterr().out
    assert "median of 2, in turns" in out
    assert row(out, "a.py")[1] == row(out, "b.py")[1] == "30"
    assert row(out, "a.py")[-1] == "1.000"
    ratio = float(row(out, "b.py")[2].replace(",", "")) / float(row(out, "a.py")[2])
    assert float(row(out, "b.py")[-1]) == pytest.approx(ratio, abs=0.1)


def test_time_is_the_median() -> None:
    table = cost.time_table(["a", "b"], [Timing([0.1, 0.2, 0.9], 5), Timing([0.3, 9, 0.1], 7)])
    assert row(table, "a") == ["a", "5", "200", "100", "1.000"]
    assert row(table, "b") == ["b", "7", "300", "100", "1.500"]


def test_says_how_far_it_is_every_two_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0, 1, 2.5, 3, 4, 5])
    monkeypatch.setattr(cost.time, "monotonic", lambda: next(clock))
    progress = cost.Progress()
    progress.show(1, 9)
    progress.show(2, 9)
    assert capsys.readouterr().err == "2 of 9 images timed, the first of each to warm up\n"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (99, "99"), (100, "0.10 k"), (26_624, "26.6 k"), (390_145_024, "0.39 G")],
)
def test_amounts(count: float, text: str) -> None:
    assert cost.amount(count) == text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("configs")
    write_config(str(folder / "tiny.py"))
    write_config(str(folder / "broken.py"), type="Nobody")
    (folder / "base.py").write_text("x = 1\n")
    return folder


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ([], "the following arguments are required: CONFIG"),
        (["tiny.py", "--shape", "800"], "argument --shape: expected 2 arguments"),
        (
            ["tiny.py", "--shape", "0", "9"],
            r"must be integers >= 1, not \[0, 9\]",
        ),
        (["tiny.py", "--time", "0"], "--time: must be an integer >= 1, not 0"),
        (["tiny.py", "--times", "1"], "unrecognized arguments: --times"),
        (["nowhere.py"], "nowhere.py: no such config file"),
        (["tiny.py", "base.py"], "base.py: defines no model"),
        (["broken.py"], "broken.py: the model cannot be built: KeyError: .*Nobody is not in the"),
    ],
)
def test_a_mistake_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], says: str
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(UserError, match=says) as caught:
        cost.main(args)
    assert "\n" not in str(caught.value)
