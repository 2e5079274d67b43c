"""Tests the report command: a self-contained page, the evaluation's numbers, bad input."""

import json
import re
from pathlib import Path
from typing import Any

import cv2
import pytest

from msrcnn_mm.coco.annotations import load_annotations
from msrcnn_mm.coco.results_file import load_results
from msrcnn_mm.errors import UserError
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.evaluation.evaluation_result import as_json
from msrcnn_mm.evaluation.protocol import COLUMNS
from msrcnn_mm.report import number_format
from msrcnn_mm.report.score_styles import NAMES
from tests.support.coco_scenes import annotation, detection, random_scene, rectangle
from tests.support.report.files import IMAGES, Files, scene
from tests.support.report.reading import Page

NASTY = "<b>&\"'$x_1$</script>"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path, scene(), {3: NASTY, 7: "star"})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Files, Page]:
    """A report with everything in it, shared by several tests."""
    files = Files(tmp_path_factory.mktemp("whole"), scene(), {3: NASTY, 7: "star"})
    return files, files.report("--images", str(files.images), "--names", NASTY, "--title", NASTY)


def assert_self_contained(page: Page) -> None:
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "a")
        for name, value in attributes.items():
            if name in ("src", "href", "xlink:href", "srcset", "action", "data"):
                assert value and value.startswith(("data:", "#")), (tag, name, value)
            assert not name.startswith("on"), name
            for address in re.findall(r"url\(([^)]*)\)", value or ""):
                assert address.startswith("#"), address
    assert "url(" not in page.styles and "@import" not in page.styles
    assert "://" not in page.html


def test_page_is_self_contained(whole: tuple[Files, Page]) -> None:
    _, page = whole
    assert_self_contained(page)
    policy = [a["content"] for tag, a in page.tags if tag == "meta" and "http-equiv" in a]
    assert policy and "default-src 'none'" in str(policy[0])
    assert page.count("img") == IMAGES - images_without_masks(whole[0])
    assert page.unclosed == []


def images_without_masks(files: Files) -> int:
    shown = {d["image_id"] for d in json.loads(files.results.read_text()) if d["score"] >= 0.3}
    return IMAGES - len(shown)


def test_references_within_the_page_are_distinct_and_met(whole: tuple[Files, Page]) -> None:
    ids = [a["id"] for _, a in whole[1].tags if "id" in a]
    assert len(ids) == len(set(ids))
    html = whole[1].html
    wanted = set(re.findall(r"url\(#([^)]*)\)", html)) | set(re.findall(r'href="#([^"]*)"', html))
    assert wanted and wanted <= set(ids)


def test_names_are_text(whole: tuple[Files, Page]) -> None:
    _, page = whole
    assert '<b>&"' not in page.html.replace("&lt;b&gt;", "")
    assert page.text.count(NASTY) >= 4  # title, heading, detector, class
    assert page.count("script") == 1 and page.count("h1") == 1
    assert any(NASTY in str(a.get("alt")) for tag, a in page.tags if tag == "img")


def test_names_keep_their_script(tmp_path: Path) -> None:
    """Half a character, as cut-off JSON or a file name in another encoding has it, is replaced."""
    cat, cell = "\u732b\ud83d", "\u062e\u0644\u064a\u0629"
    files = Files(tmp_path, scene(), {3: cat, 7: cell})
    page = files.report("--names", "\u691c\u51fa\u5668\udce9", "--title", "\u5831\u544a")
    assert ("meta", "utf-8") in [(tag, a.get("charset")) for tag, a in page.tags]
    for name in ("\u732b?", cell, "\u691c\u51fa\u5668?", "\u5831\u544a"):
        assert name in page.text
    names = [c["name"] for c in files.data()["models"][0]["evaluation"]["classes"]]
    assert names == [cat, cell]


def test_json_is_the_evaluation(whole: tuple[Files, Page]) -> None:
    files, _ = whole
    coco = load_annotations(files.annotations)
    evaluation = evaluate_scores(coco, load_results(files.results, coco))
    data = files.data()
    assert data["annotations"] == "gt.json"
    assert [model["name"] for model in data["models"]] == [NASTY]
    assert data["models"][0]["evaluation"] == json.loads(json.dumps(as_json(evaluation)))


def test_rankings_are_the_evaluations(whole: tuple[Files, Page]) -> None:
    files, page = whole
    rankings = files.data()["models"][0]["evaluation"]["rankings"]
    scores = ["class_score", "mask_score", "maskness"]
    assert list(rankings) == [*scores, "quality_oracle", "oracle", "tp_share"]
    rows = {row[0]: row[1:] for row in page.tables[0][1:]}
    for name, ranking in rankings.items():
        expected = [number_format.percent(ranking["ap"][column]) for column in COLUMNS]
        assert rows[NAMES[name]][:6] == expected
    for name in ("mask_score", "maskness"):
        recovered = rankings[name]["recovered_share"]["AP"]
        assert rows[NAMES[name]][6] == number_format.share(recovered)


def test_boundary_iou_on_request(files: Files, whole: tuple[Files, Page]) -> None:
    page = files.report("--boundary")
    rankings = files.data()["models"][0]["evaluation"]["boundary"]
    rows = {row[0]: row[1:] for row in page.tables[1][1:]}
    for name, ranking in rankings.items():
        expected = [number_format.percent(ranking["ap"][column]) for column in COLUMNS]
        assert rows[NAMES[name]] == expected
    assert "Boundary IoU" in page.text and "Boundary" not in whole[1].text


def test_lrp_is_the_evaluations(whole: tuple[Files, Page]) -> None:
    files, page = whole
    rows = {row[0].removesuffix("least error"): row[1:] for row in page.tables[1][1:]}
    errors = {}
    evaluation = files.data()["models"][0]["evaluation"]
    for name, lrp in evaluation["lrp"].items():
        first, second = (c["scores"][name]["lrp"]["threshold"] for c in evaluation["classes"])
        best = lrp["optimal"]
        errors[NAMES[name]] = best["error"]
        assert rows[NAMES[name]] == [
            number_format.score((first + second) / 2),
            number_format.percent(lrp["every"]["error"]),
            number_format.percent(best["error"]),
            number_format.score(1 - best["localisation"]),
            number_format.share(1 - best["false_positive"]),
            number_format.share(1 - best["false_negative"]),
        ]
    marked = [row[0] for row in page.tables[1][1:] if row[0].endswith("least error")]
    assert marked == [min(errors, key=lambda name: errors[name]) + "least error"]


def test_classes_are_the_evaluations(whole: tuple[Files, Page]) -> None:
    files, page = whole
    evaluation = files.data()["models"][0]["evaluation"]
    classes, lrp = evaluation["classes"], evaluation["lrp"]
    threshold_score = min(lrp, key=lambda name: lrp[name]["optimal"]["error"])
    assert page.tables[2][0][-1] == f"threshold, {NAMES[threshold_score]}"
    values = page.values[2][1:]
    assert len(values) == len(classes) == 2
    for row, known in zip(values, classes, strict=True):
        aps = {name: ranking["ap"]["AP"] for name, ranking in known["rankings"].items()}
        score, own = known["scores"]["mask_score"], known["scores"][threshold_score]
        assert row[0] == known["name"]
        assert [float(str(v)) for v in row[1:]] == [
            known["instances"],
            aps["class_score"],
            aps["mask_score"],
            aps["mask_score"] - aps["class_score"],
            aps["quality_oracle"],
            score["laece"],
            own["lrp"]["threshold"],
        ]


def test_quality_and_calibration_are_the_evaluations(whole: tuple[Files, Page]) -> None:
    files, page = whole
    evaluation = files.data()["models"][0]["evaluation"]
    facts = re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd></div>", page.html)
    quality = evaluation["mask_iou_quality"]
    names = ("mean_absolute_error", "bias", "pearson", "spearman", "auroc")
    assert [value for _, value in facts] == [number_format.score(quality[name]) for name in names]
    caption = r"off by LaECE₀ (\S+) points on average.*?LaACE₀ (\S+), D.ECE (\S+)\)"
    captions = re.findall(caption, page.text)
    assert captions == [
        tuple(number_format.percent(c[name]) for name in ("laece", "laace", "dece"))
        for c in evaluation["calibration_errors"].values()
    ]


def test_every_heading_of_the_class_table_sorts_its_column(whole: tuple[Files, Page]) -> None:
    _, page = whole
    columns = [str(a["data-column"]) for tag, a in page.tags if tag == "button"]
    assert columns == [str(i) for i in range(len(page.values[2][-1]))]
    kinds = [a["data-kind"] for tag, a in page.tags if tag == "button"]
    assert kinds == ["text"] + ["number"] * (len(columns) - 1)


def test_figures_are_files_too(whole: tuple[Files, Page]) -> None:
    files, page = whole
    names = {path.name for path in (files.out / "figures").iterdir()}
    for group in ("score_iou", "reliability"):
        for score in ("class_score", "mask_score", "maskness"):
            assert f"{group}_{score}.png" in names
    assert {"gap.png", "ap.png", "gain.png", "risk.png", "cuts.png", "gallery_01.jpg"} <= names
    assert page.count("svg") == sum(name.endswith(".png") for name in names)
    for path in (files.out / "figures").iterdir():
        assert cv2.imread(str(path)) is not None


def test_without_images_the_page_names_the_option(
    files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    page = files.report()
    assert page.count("img") == 0
    assert "--images FOLDER" in page.text
    assert capsys.readouterr().out.splitlines()[-1].endswith(str(files.out / "report.html"))


def test_no_image_of_a_former_gallery_stays(files: Files) -> None:
    files.report("--images", str(files.images), "--gallery", "3")
    files.report("--images", str(files.images), "--gallery", "2")
    shown = {path.name for path in (files.out / "figures").glob("gallery*")}
    assert shown == {"gallery_01.jpg", "gallery_02.jpg"}


def test_without_mask_scores_or_boxes(files: Files) -> None:
    """Other frameworks write such results."""
    kept = ("image_id", "category_id", "segmentation", "score")
    files.rewrite(lambda d: {k: d[k] for k in kept})
    page = files.report("--images", str(files.images), "--gallery", "3")
    assert [row[0] for row in page.tables[0][1:]] == [
        "class score",
        "quality oracle",
        "oracle",
        "TP share",
    ]
    assert "No mask score" in page.text and page.count("img") == 3
    assert "mask score 0" not in page.text and page.unclosed == []
    assert len({len(row) for row in page.tables[2]}) == 1


def test_two_detectors_side_by_side(files: Files) -> None:
    other = files.folder / "other.json"
    content = json.loads(files.results.read_text())
    for d in content:  # the other detector has no mask scores and half of the masks
        del d["mask_score"], d["mask_iou"], d["foreground_prob"]
    other.write_text(json.dumps(content[::2]))
    page = files.report("--compare", str(other), "--images", str(files.images), "--gallery", "2")
    assert_self_contained(page)
    assert page.unclosed == [] and page.count("img") == 4
    first, second = files.data()["models"]
    assert (first["name"], second["name"]) == ("results", "other")
    (comparison,) = files.data()["comparisons"]
    assert comparison["difference"]["value"] == comparison["ap"] - comparison["first_ap"]
    assert f"a difference of {number_format.gain(comparison['difference']['value'])}" in page.text
    by_class = second["evaluation"]["rankings"]["class_score"]["ap"]
    row = next(row for row in page.tables[0] if row[0] == "other")
    assert row[2:8] == [number_format.percent(by_class[column]) for column in COLUMNS]
    values = page.values[2][-1]  # name, instances, 6 columns of the first, 4 of the second
    star = second["evaluation"]["classes"][-1]
    assert len(values) == 12
    assert float(str(values[8])) == star["rankings"]["class_score"]["ap"]["AP"]
    names = {path.name for path in (files.out / "figures").iterdir()}
    assert {"risk_1.png", "risk_2.png", "gallery_1_01.jpg", "gallery_2_02.jpg"} <= names
    assert "score_iou_mask_score_2.png" not in names


def test_files_of_one_name_are_named_by_their_paths(files: Files) -> None:
    other = files.folder / "other" / "results.json"
    other.parent.mkdir()
    other.write_text(files.results.read_text())
    files.report("--compare", str(other))
    assert [m["name"] for m in files.data()["models"]] == [str(files.results), str(other)]


def test_one_class(tmp_path: Path) -> None:
    annotations = [annotation(i + 1, 10 + i, rectangle(20, 20, 60, 60)) for i in range(4)]
    detections = [
        detection(10 + i, rectangle(20, 20, 60 - 5 * i, 60), 0.9 - 0.1 * i, mask_iou=0.9 - 0.1 * i)
        for i in range(4)
    ]
    page = Files(tmp_path, (annotations, detections), {3: "ring"}).report()
    assert "of 1 class in" in page.text
    assert "median" not in page.text
    assert len(page.tables[2]) == 2


def test_many_classes(tmp_path: Path) -> None:
    annotations, detections = random_scene(3, IMAGES)
    for entry in (*annotations, *detections):
        entry["category_id"] = 1 + (entry["image_id"] * 31 + int(entry["bbox"][0])) % 90
    categories = {i: f"class {i}" for i in range(1, 91)}
    files = Files(tmp_path, (annotations, detections), categories)
    page = files.report()
    assert files.report().html == page.html
    assert len(page.values[2]) == 91
    # what is undefined has no value to sort by
    assert all(row[2] == "" for row in page.values[2][1:] if row[1] == "0")


def test_nothing_above_the_thresholds(files: Files) -> None:
    files.rewrite(lambda d: d | {"score": d["score"] * 1e-3, "mask_score": d["mask_score"] * 1e-3})
    page = files.report("--images", str(files.images))
    assert page.count("img") == 0
    assert "No mask has a class score of 0.3 or more." in page.text


def test_nothing_is_found(files: Files) -> None:
    """Scores near 0 of false alarms are right, but no reason for the answer Yes."""
    corner = detection(10, rectangle(0, 0, 2, 2), 0.0)["segmentation"]
    files.rewrite(lambda d: d | {"segmentation": corner, "score": 0.01, "mask_score": 0.001})
    page = files.report()
    assert "Nothing to trust" in page.text and "Nowhere" in page.text
    assert page.unclosed == []


def test_no_ground_truth(tmp_path: Path) -> None:
    _, detections = random_scene(5, IMAGES)
    page = Files(tmp_path, ([], detections), {3: "ring", 7: "star"}).report()
    assert page.tables[0][1][1:7] == [number_format.NOTHING] * 6
    assert "There is no ground truth" in page.text and page.count("svg") == 0
    assert "Nowhere" in page.text and page.unclosed == []


def test_scores_outside_the_unit_interval(files: Files) -> None:
    files.rewrite(lambda d: d | {"score": 10 * d["score"] - 5, "mask_score": 10 * d["mask_score"]})
    page = files.report("--images", str(files.images), "--score-thr", "-9")
    assert "reliability" not in {p.stem.split("_")[0] for p in (files.out / "figures").iterdir()}
    assert "leaves [0, 1]" in page.text and page.unclosed == []
    assert "oracle" not in [row[0] for row in page.tables[0]]


@pytest.mark.parametrize(
    ("spoil", "options", "message"),
    [
        (lambda f: f.results.write_text("[]"), [], "results.json has no detections"),
        (lambda f: f.annotations.write_text("{}"), [], "gt.json is not in COCO's format"),
        (lambda f: None, ["--compare", "none.json"], "cannot read none.json"),
        (lambda f: None, ["--names", "a", "b"], "--names gives 2 names for 1 results file: give"),
        (lambda f: None, ["--gallery", "0"], "--gallery must be from 1 to 60, not 0"),
        (lambda f: None, ["--gallery", "61"], "--gallery must be from 1 to 60, not 61"),
        (lambda f: None, ["--max-dets", "0"], "max_dets must be an integer >= 1, not 0"),
        (lambda f: None, ["--images", "nowhere"], "--images: there is no folder nowhere"),
        (lambda f: f.out.parent.write_text(""), [], "OUT_DIR .*report: a file is in the way"),
        (lambda f: None, ["--compare", "{results}", "--names", "a", "a"], "a name of its own"),
        (lambda f: None, ["--seed", "-1"], "--seed must be an integer >= 0, not -1"),
        (lambda f: None, ["--score-thr", "nan"], "--score-thr: invalid number value: 'nan'"),
        (
            lambda f: f.annotate(lambda a: a["images"][0].update(file_name="a/../../x.png")),
            ["--images", "{images}"],
            "gt.json: image .* has the file_name 'a/../../x.png', which leads out of ",
        ),
        (
            lambda f: f.annotate(lambda a: a["images"][0].pop("file_name")),
            ["--images", "{images}"],
            "gt.json: image .* has no 'file_name'$",
        ),
    ],
)
def test_bad_input_gets_one_line(
    files: Files, spoil: Any, options: list[str], message: str
) -> None:
    spoil(files)
    options = [o.format(results=files.results, images=files.images) for o in options]
    with pytest.raises(UserError, match=message) as error:
        files.report(*options)
    assert "\n" not in str(error.value)


def test_missing_image_gets_one_line(files: Files) -> None:
    for path in files.images.iterdir():
        path.unlink()
    with pytest.raises(UserError, match="there is no image"):
        files.report("--images", str(files.images))
    assert not list(files.out.iterdir())
