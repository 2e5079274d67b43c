"""Tests the commands agree and rescore on files."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from msrcnn_mm.cli import agree, rescore
from msrcnn_mm.coco.annotations import load_annotations
from msrcnn_mm.coco.detections import SCORE_ENTRIES, Detections
from msrcnn_mm.coco.results_file import load_results
from msrcnn_mm.coco.runs import mirror
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.evaluation.summaries import gain_text, score_table
from msrcnn_mm.rescoring import learning_curve
from msrcnn_mm.rescoring.features.agreement import agreement, agreement_scores
from msrcnn_mm.rescoring.features.views import View
from msrcnn_mm.rescoring.rescorer import read_rescorer
from msrcnn_mm.rescoring.trees import cross_fitting
from tests.support.coco_scenes import coco_dict, random_scene

IMAGES = 30
FIT, OTHER = random_scene(3, IMAGES), random_scene(8, IMAGES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for name, (annotations, rows) in (("fit", FIT), ("other", OTHER)):
        truth = coco_dict(annotations, IMAGES)
        for image in truth["images"]:
            image["file_name"] = f"{name}/{image['file_name']}"
        (folder / f"{name}_gt.json").write_text(json.dumps(truth))
        (folder / f"{name}.json").write_text(json.dumps(rows))
        (folder / f"{name}_f.json").write_text(json.dumps(flipped(rows)))
    (folder / "empty.json").write_text("[]")
    few = [row for row in FIT[1] if row["image_id"] < 20]
    (folder / "few.json").write_text(json.dumps(few))
    equal = replace(Detections.from_rows(FIT[1]), mask_scores=None)
    equal = replace(equal, class_scores=np.full(len(equal), 0.5))
    (folder / "equal.json").write_text(json.dumps(equal.to_rows()))
    return folder


@pytest.fixture(autouse=True)
def _inside(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a copy of the folder the current one."""
    monkeypatch.chdir(shutil.copytree(folder, tmp_path, dirs_exist_ok=True))


def flipped(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    detections = Detections.from_rows(rows)
    assert detections.masks is not None
    return replace(detections, masks=mirror(detections.masks), boxes=None).to_rows()


def read(name: str) -> Any:
    return json.loads(Path(name).read_text())


def test_fit_and_apply(capsys: pytest.CaptureFixture[str]) -> None:
    rescore.main(["fit", "fit.json", "fit_gt.json", "--out", "r.json", "--flipped", "fit_f.json"])
    printed = capsys.readouterr().out
    assert "r.json: re-scorer, trees of" in printed and printed.endswith("images\n")
    rescore.main(
        [
            "apply",
            "other.json",
            "--rescorer",
            "r.json",
            "--out",
            "out.json",
            "--flipped",
            "other_f.json",
        ]
    )
    expected = read_rescorer("r.json").apply(
        Detections.from_rows(OTHER[1]),
        [View("f", Detections.from_rows(flipped(OTHER[1])), mirrored=True)],
    )
    written = read("out.json")
    for name, column in expected.columns().items():
        assert [row[SCORE_ENTRIES[name]] for row in written] == column.tolist()
    assert [{k: row[k] for k in OTHER[1][0]} for row in written] == OTHER[1]
    Path("old.json").write_text(json.dumps([row | {"rescored_score": 0.5} for row in OTHER[1]]))
    options = ["--rescorer", "r.json", "--out", "new.json", "--flipped", "other_f.json"]
    rescore.main(["apply", "old.json", *options])
    assert read("new.json") == written
    for line in (["apply", "old.json", *options], ["fit", "fit.json", "fit_gt.json", *options[2:]]):
        with pytest.raises(UserError, match=r"^--out new\.json: exists: name another file, or add"):
            rescore.main(line)
    rescore.main(["apply", "other.json", *options, "--overwrite"])
    assert read("new.json") == written


def test_the_simplest_methods(capsys: pytest.CaptureFixture[str]) -> None:
    """One score is corrected; with annotations the re-scored results are evaluated."""
    coco = load_annotations("other_gt.json")
    for score in ("maskness", "consensus"):
        views = ["--flipped", "fit_f.json"] if score == "consensus" else []
        options = ["--method", "exponents", "--score", score, *views, "--overwrite"]
        rescore.main(["fit", "fit.json", "fit_gt.json", "--out", "e.json", *options])
        assert f"of the {score}, fitted on" in capsys.readouterr().out
        assert read("e.json")["score"] == score
        views = ["--flipped", "other_f.json"] if score == "consensus" else []
        line = ["apply", "other.json", "other_gt.json", "--rescorer", "e.json", "--out", "o.json"]
        rescore.main([*line, *views, "--overwrite"])
        table = score_table(evaluate_scores(coco, load_results("o.json", coco)))
        assert "rescored score" in table and table in capsys.readouterr().out
    for results in ("fit.json", "few.json"):  # fit takes few images too
        rescore.main(["try", results, "fit_gt.json", "--method", "isotonic"])
        printed = capsys.readouterr().out
        assert "| rescored score" in printed and "fitted on others" in printed


def test_fit_says_that_trees_take_some_of_many_detections(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["fit", "fit.json", "fit_gt.json", "--out", "m.json", "--overwrite"]
    for module in (rescore, cross_fitting):
        monkeypatch.setattr(module, "MOST_DETECTIONS", 20)
    for options, says in (([], True), (["--method", "isotonic"], False)):
        rescore.main(command + options)
        line = capsys.readouterr().out
        assert ("images, the trees of each fold on at most 20, drawn at random\n" in line) is says


def test_an_old_calibration_leaves_no_expected_iou_of_before() -> None:
    calibration = {
        "format": "msrcnn_mm calibration 1",
        "method": "temperature",
        "score": "class_score",
        "parameters": {"temperature": 1.0},
        "fitted_on": {"annotations": "gt.json", "detections": 9, "images": []},
    }
    Path("old_c.json").write_text(json.dumps(calibration))
    rows = [row | {"expected_iou": 0.5, "rescored_score": 0.5} for row in OTHER[1]]
    Path("old.json").write_text(json.dumps(rows))
    rescore.main(["apply", "old.json", "--rescorer", "old_c.json", "--out", "new.json"])
    assert not any("expected_iou" in row for row in read("new.json"))
    found = [row["rescored_score"] for row in read("new.json")]
    assert found == pytest.approx([row["score"] for row in OTHER[1]], abs=1e-6)


def test_images_fitted_on(capsys: pytest.CaptureFixture[str]) -> None:
    rescore.main(["fit", "fit.json", "fit_gt.json", "--out", "bare.json"])
    apply = ["apply", "fit.json", "--rescorer", "bare.json", "--out", "again.json"]
    with pytest.raises(UserError, match="--same-images"):
        rescore.main(apply)
    with pytest.raises(UserError, match=r"26 of the 26 images, fit/0\.png for one"):
        rescore.main([*apply[:2], "fit_gt.json", *apply[2:]])
    rescore.main([*apply, "--same-images"])
    assert len(read("again.json")) == len(FIT[1])


def test_only_images_with_results_count_as_fitted_on() -> None:
    """One annotation file may hold the images to fit to and others."""
    for part in (0, 1):
        rows = [row for row in FIT[1] if row["image_id"] % 2 == part]
        Path(f"half{part}.json").write_text(json.dumps(rows))
    rescore.main(["fit", "half0.json", "fit_gt.json", "--out", "half_r.json"])
    rest = ["fit_gt.json", "--rescorer", "half_r.json", "--out", "half_out.json", "--overwrite"]
    rescore.main(["apply", "half1.json", *rest])
    assert len(read("half_out.json")) == len(read("half1.json"))
    for results, count in (("half0.json", "12 of the 12"), ("fit.json", "12 of the 26")):
        with pytest.raises(UserError, match=f"{count} images, .* for one, are among those"):
            rescore.main(["apply", results, *rest])


def test_try_prints_all_scores_and_the_learning_curve(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning_curve, "FEWEST", 10)
    rescore.main(["try", "fit.json", "fit_gt.json", "--flipped", "fit_f.json"])
    printed = capsys.readouterr().out
    for name in (
        "class score",
        "mask score",
        "maskness",
        "agreement score",
        "consensus",
        "fitted on 10 images",
        "fitted on 20 images",
        "from 10 to 20 labelled images AP changes by ",
    ):
        assert name in printed
    assert printed.count("re-scored") == 2
    coco = load_annotations("fit_gt.json")
    evaluation = evaluate_scores(coco, load_results("fit.json", coco))
    assert gain_text(evaluation.ap_gains["maskness"]) in printed


def test_agree(capsys: pytest.CaptureFixture[str]) -> None:
    agree.main(["fit.json", "--flipped", "fit_f.json", "--out", "a.json"])
    printed = capsys.readouterr().out
    assert "100.0%" in printed
    detections = Detections.from_rows(FIT[1])
    columns = agreement(detections, detections)  # the view has the same masks
    agreed, consensus = agreement_scores(detections, [columns])
    written = read("a.json")
    assert [row["view_agreement"] for row in written] == [
        {"views": ["mirrored"], **{name: float(columns[name][i]) for name in columns}}
        for i in range(len(written))
    ]
    assert not any("agreement" in row for row in written)
    assert [row["agreement_score"] for row in written] == agreed.tolist()
    assert [row["consensus"] for row in written] == consensus.tolist()


def test_results_with_agreement_need_no_views(capsys: pytest.CaptureFixture[str]) -> None:
    """They give the same re-scorer and scores to the last bit."""
    for name in ("fit", "other"):
        agree.main([f"{name}.json", "--flipped", f"{name}_f.json", "--out", f"{name}_a.json"])
    rescore.main(["fit", "fit.json", "fit_gt.json", "--out", "v.json", "--flipped", "fit_f.json"])
    rescore.main(["fit", "fit_a.json", "fit_gt.json", "--out", "a.json"])
    assert read("a.json") == read("v.json")
    assert read("a.json")["views"] == ["mirrored"]
    for results, options in (("other", ["--flipped", "other_f.json"]), ("other_a", [])):
        line = ["apply", f"{results}.json", "--rescorer", "a.json", "--out", f"out_{results}.json"]
        rescore.main([*line, *options])
    scores = [
        [row["rescored_score"] for row in read(f"out_{n}.json")] for n in ("other", "other_a")
    ]
    assert scores[0] == scores[1]
    with pytest.raises(
        UserError, match="fitted with 1 mirrored view, and these results have no views"
    ):
        rescore.main(["apply", "other.json", "--rescorer", "a.json", "--out", "none.json"])
    capsys.readouterr()
    printed = []
    for results, options in (("fit", ["--flipped", "fit_f.json"]), ("fit_a", [])):
        rescore.main(["try", f"{results}.json", "fit_gt.json", *options])
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    rescore.main(["apply", "other_a.json", *line[2:5], "o.json", "--flipped", "other_f.json"])
    assert "other_a.json: has an agreement with views already, which" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "line", "message"),
    [
        (agree, "fit.json --out a.json", "there is no view: give results of one by --flipped"),
        (agree, "fit.json --scaled fit_f.json --out a.json", "without --flipped"),
        (agree, "fit.json --flipped fit_f.json --out fit_f.json", "is read as well"),
        (agree, "fit.json --flipped fit_f.json --swap 3 --out a.json", "two category ids, A=B"),
        (rescore, "fit fit.json fit_gt.json --out fit_gt.json", "is read as well"),
        (rescore, "try empty.json fit_gt.json", "^empty.json: there are no detections to fit"),
        (rescore, "fit fit.json fit_gt.json --out o --score maskness", "trees take all scores"),
        (rescore, "fit fit.json fit_gt.json --out o --method magic", "invalid choice: 'magic'"),
        (
            rescore,
            "fit fit.json fit_gt.json --out o --method isotonic --score consensus",
            "^fit.json: the detections have no consensus: .* --score class_score or mask_score or",
        ),
        (rescore, "apply fit.json --rescorer fit_gt.json --out o.json", "^fit_gt.json is not a"),
        (rescore, "fit few.json fit_gt.json --out o.json", "^few.json: there are detections in 9 "),
        (rescore, "try few.json fit_gt.json --scaled fit_f.json", "^few.json: fit_f.json: .*"),
        (
            rescore,
            "try fit_gt.json fit.json",
            "^fit.json .* results file, which a command takes be",
        ),
        (
            rescore,
            "fit fit.json fit_gt.json --out o --max-dets 0",
            "^--max-dets must be an integer",
        ),
        (
            rescore,
            "fit equal.json fit_gt.json --out o --method isotonic",
            "^equal.json: every detection has the class score 0.5: a re-scorer needs scores that",
        ),
    ],
)
def test_refused(command: Any, line: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        command.main(line.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scaled", "fit.json"], "fit.json is given twice: a view is another file"),
        (["--flipped", "fit_f.json", "fit_f.json"], "fit_f.json is given twice"),
        (["--scaled", "fit_f.json", "--swap", "1=2"], "--swap is .* add --flipped"),
        (["--flipped", "fit_f.json", "--swap", "1=2", "2=3"], "category 2 is given twice"),
    ],
)
def test_files_and_swaps_that_make_no_view(options: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        agree.main(["fit.json", *options, "--out", "a.json"])
