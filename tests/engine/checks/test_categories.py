"""Checks of annotation files whose categories disagree."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.checked_configs import CLASSES, check, edit, make_config, refusal


def reorder(content: dict) -> None:
    content["categories"] = [content["categories"][i] for i in (0, 2, 1)]


@pytest.mark.parametrize(
    ("deviates", "classes"),
    [
        ("val", CLASSES),
        ("train", CLASSES),
        ("val", ("star", "box", "disk")),
    ],
)
def test_another_order_in_one_file_is_mended_there(
    root: Path, deviates: str, classes: tuple[str, ...]
) -> None:
    """Following the message never leads to a refusal of the other file."""
    edit(root / f"{deviates}.json", reorder)
    config = make_config(root, classes)
    message = refusal(config)
    to_mend, model = ("train", "val") if deviates == "train" else ("val", "train")
    assert f"{root}/{to_mend}.json and {root}/{model}.json list the categories in diff" in message
    assert f"put the entries of categories in {root}/{to_mend}.json into the order" in message
    assert "'disk', 'box', 'star'" in message

    def as_told(content: dict) -> None:
        order = ["disk", "box", "star"]
        content["categories"].sort(key=lambda c: order.index(c["name"]))

    edit(root / f"{to_mend}.json", as_told)
    if classes == CLASSES:
        check(config)
    else:
        assert "set classes = ('disk', 'box', 'star')" in refusal(config)
        check(make_config(root))


@pytest.mark.parametrize("lacking", ["train", "val"])
@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_category_that_one_file_lacks_is_added_there(
    root: Path, lacking: str, position: int
) -> None:
    name = CLASSES[position]

    def without(content: dict) -> None:
        content["annotations"] = [
            a for a in content["annotations"] if a["category_id"] != position + 1
        ]
        content["categories"].pop(position)

    edit(root / f"{lacking}.json", without)
    config = make_config(root)
    message = refusal(config)
    other = "val" if lacking == "train" else "train"
    assert f"{root}/{lacking}.json and {root}/{other}.json have different categories" in message
    place = "as the first" if position == 0 else f"after '{CLASSES[position - 1]}'"
    entry = json.dumps({"id": position + 1, "name": name})
    assert f"in {root}/{lacking}.json add {entry} {place}" in message
    assert "set classes" not in message

    edit(
        root / f"{lacking}.json",
        lambda c: c["categories"].insert(position, json.loads(entry)),
    )
    check(config)


def test_a_category_spelt_otherwise_in_one_file(root: Path) -> None:
    edit(root / "val.json", lambda c: c["categories"][1].update(name="Box "))
    assert "val.json" in (message := refusal(make_config(root)))
    assert "rename 'Box ' to 'box'" in message


def test_similar_names_may_be_other_classes(root: Path) -> None:
    """Renaming one would give its objects another class."""
    edit(root / "val.json", lambda c: c["categories"][1].update(name="boxes"))
    message = refusal(make_config(root))
    assert 'add {"id": 4, "name": "box"} after \'disk\' (or rename \'boxes\', if that is' in message


def test_one_message_says_what_several_files_lack(root: Path) -> None:
    """Config A, B, C; one file has A and B, the other A and C."""

    def without(position: int) -> Callable[[dict], None]:
        def change(content: dict) -> None:
            of_class = position + 1
            content["annotations"] = [
                a for a in content["annotations"] if a["category_id"] != of_class
            ]
            content["categories"].pop(position)

        return change

    edit(root / "train.json", without(2))
    edit(root / "val.json", without(1))
    message = refusal(make_config(root))
    assert f'in {root}/train.json add {{"id": 3, "name": "star"}} after \'box\'' in message
    assert f'in {root}/val.json add {{"id": 2, "name": "box"}} after \'disk\'' in message
    for split, position, entry in (("train", 2, (3, "star")), ("val", 1, (2, "box"))):
        new = dict(id=entry[0], name=entry[1])
        edit(root / f"{split}.json", lambda c, p=position, n=new: c["categories"].insert(p, n))
    check(make_config(root))


def test_the_place_is_after_a_category_that_the_file_has(root: Path) -> None:
    edit(root / "val.json", lambda c: c["categories"].insert(0, dict(id=9, name="root")))
    edit(root / "train.json", lambda c: c["categories"].pop(0))
    edit(root / "train.json", lambda c: [a.update(category_id=2) for a in c["annotations"]])
    assert f'in {root}/train.json add {{"id": 1, "name": "disk"}} as the first' in (
        refusal(make_config(root))
    )


def test_a_name_with_an_apostrophe_is_valid_json(root: Path) -> None:
    name = "bird's nest"
    for split in ("train", "val"):
        edit(root / f"{split}.json", lambda c: c["categories"][1].update(name=name))
    edit(root / "val.json", lambda c: c["categories"].pop(1))
    edit(root / "val.json", lambda c: [a.update(category_id=1) for a in c["annotations"]])
    message = refusal(make_config(root, ("disk", name, "star")))
    assert 'add {"id": 2, "name": "bird\'s nest"} after' in message


def test_an_id_that_is_taken_is_not_proposed(root: Path) -> None:
    def renumber(content: dict) -> None:
        content["annotations"] = [a for a in content["annotations"] if a["category_id"] != 3]
        content["categories"] = [dict(id=3, name="disk"), dict(id=2, name="box")]
        for entry in content["annotations"]:
            entry["category_id"] = {1: 3, 2: 2}[entry["category_id"]]

    edit(root / "val.json", renumber)
    assert 'add {"id": 4, "name": "star"} after \'box\'' in refusal(make_config(root))


def test_other_ids_in_the_same_order_are_a_warning(
    root: Path, capsys: pytest.CaptureFixture
) -> None:
    def from_zero(content: dict) -> None:
        for category in content["categories"]:
            category["id"] -= 1
        for entry in content["annotations"]:
            entry["category_id"] -= 1

    edit(root / "val.json", from_zero)
    check(make_config(root))
    assert f"{root}/val.json and {root}/train.json number categories differently ('disk' is 0 " in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("change", [reorder, lambda c: c["categories"].pop()])
def test_the_evaluators_file_is_compared_too(root: Path, change: Callable[[dict], object]) -> None:
    other = root / "other.json"
    other.write_text((root / "val.json").read_text())
    edit(other, lambda c: c["annotations"].clear())
    edit(other, change)
    config = make_config(root)
    config.val_evaluator.ann_file = str(other)
    message = refusal(config)
    assert str(other) in message
    assert "train.json" in message
