"""Builds annotation files as the exports of annotation tools write them.

Each function returns the content of a small file of one tool, with the keys, numbers and oddities
that the tool's source gives it. Images are 96 x 64 pixels; no image files are written.
"""

from typing import Any

WIDTH, HEIGHT = 96, 64
Content = dict[str, Any]

_TRIANGLE = [10.0, 10.0, 40.0, 10.0, 40.0, 30.5]
_BLOCK = {  # x 40..51, y 20..29: 120 pixels in COCO's order, columns first
    "counts": [40 * HEIGHT + 20, 10, *[HEIGHT - 10, 10] * 11, 44 * HEIGHT + 34],
    "size": [HEIGHT, WIDTH],
}


def cvat(*, rectangle: bool = False) -> Content:
    """Returns what CVAT's "COCO 1.0" writes (Datumaro's ``coco_instances``).

    Ids count from 1. ``file_name`` keeps folders. Annotation 1 is a polygon, 2 two polygons of one
    group, 3 a mask of the brush: an RLE with a list of counts and ``iscrowd`` 1. Numbers other than
    ids are floats. ``rectangle`` adds annotation 4, which has ``segmentation: []`` and the box's
    area.
    """
    parts = [[60.0, 10.0, 70.0, 10.0, 70.0, 20.0], [80.0, 10.0, 90.0, 10.0, 90.0, 20.0]]
    annotations: list[Content] = [
        {
            "id": 1,
            "image_id": 1,
            "category_id": 1,
            "segmentation": [_TRIANGLE],
            "area": 307.0,
            "bbox": [10.0, 10.0, 30.0, 20.5],
            "iscrowd": 0,
            "attributes": {"occluded": False},
        },
        {
            "id": 2,
            "image_id": 1,
            "category_id": 1,
            "segmentation": parts,
            "area": 90.0,
            "bbox": [60.0, 10.0, 30.0, 10.0],
            "iscrowd": 0,
        },
        {
            "id": 3,
            "image_id": 1,
            "category_id": 2,
            "segmentation": dict(_BLOCK),
            "area": 120.0,
            "bbox": [40.0, 20.0, 12.0, 10.0],
            "iscrowd": 1,
        },
    ]
    if rectangle:
        annotations.append(
            {
                "id": 4,
                "image_id": 1,
                "category_id": 2,
                "segmentation": [],
                "area": 56.0,
                "bbox": [5.0, 6.0, 7.0, 8.0],
                "iscrowd": 0,
                "attributes": {"occluded": False, "rotation": 0.0},
            }
        )
    return {
        "licenses": [{"name": "", "id": 0, "url": ""}],
        "info": dict.fromkeys(
            ("contributor", "date_created", "description", "url", "version", "year"), ""
        ),
        "categories": [
            {"id": 1, "name": "cat", "supercategory": ""},
            {"id": 2, "name": "dog", "supercategory": ""},
        ],
        "images": [
            {
                "id": 1,
                "width": WIDTH,
                "height": HEIGHT,
                "file_name": "cam1/0001.png",
                "license": 0,
                "flickr_url": "",
                "coco_url": "",
                "date_captured": 0,
            }
        ],
        "annotations": annotations,
    }


def label_studio(*, rectangle: bool = False, annotators: int = 1) -> Content:
    """Returns what Label Studio's "COCO with Images" writes.

    Ids count from 0, categories are in alphabetical order and have no ``supercategory``.
    Annotations have ``ignore``. The image is listed once for each annotator, under an id of its
    own with the polygon of that annotator. ``rectangle`` adds an annotation with
    ``segmentation: []`` to the last.
    """
    images, annotations = [], []
    for number in range(annotators):
        images.append(
            {"width": WIDTH, "height": HEIGHT, "id": number, "file_name": "images/1a2b3c4d-a.png"}
        )
        annotations.append(
            {
                "id": number,
                "image_id": number,
                "category_id": number % 2,
                "segmentation": [[9.6, 6.4, 48.0, 6.4, 48.0, 38.4, 9.6, 38.4]],
                "bbox": [9.6, 6.4, 38.4, 32.0],
                "ignore": 0,
                "iscrowd": 0,
                "area": 1228.8,
            }
        )
    if rectangle:
        annotations.append(
            {
                "id": annotators,
                "image_id": annotators - 1,
                "category_id": 1,
                "segmentation": [],
                "bbox": [57.6, 12.8, 19.2, 25.6],
                "ignore": 0,
                "iscrowd": 0,
                "area": 491.52,
            }
        )
    return {
        "images": images,
        "categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}],
        "annotations": annotations,
        "info": {
            "year": 2025,
            "version": "1.0",
            "description": "",
            "contributor": "Label Studio",
            "url": "",
            "date_created": "2025-01-01 12:00:00.000000",
        },
    }


def roboflow(*, boxes: bool = False, project: str = "animals") -> Content:
    """Returns what Roboflow's "COCO Segmentation" writes.

    Ids count from 0. Category 0 is a root named like the project, without annotations; it is the
    ``supercategory`` of the others. Polygons end with their first point. ``area`` is the box's.
    ``boxes`` gives the file of "COCO" without "Segmentation": every ``segmentation`` is ``[]``.
    ``project="cat"`` gives two categories of one name.
    """
    date = "2025-01-01T12:00:00+00:00"
    return {
        "info": {
            "year": "2025",
            "version": "1",
            "description": "Exported from roboflow.com",
            "contributor": "",
            "url": "https://public.roboflow.com/object-detection/undefined",
            "date_created": date,
        },
        "licenses": [
            {"id": 1, "url": "https://creativecommons.org/licenses/by/4.0/", "name": "CC BY 4.0"}
        ],
        "categories": [
            {"id": 0, "name": project, "supercategory": "none"},
            {"id": 1, "name": "cat", "supercategory": project},
            {"id": 2, "name": "dog", "supercategory": project},
        ],
        "images": [
            {
                "id": 0,
                "license": 1,
                "file_name": f"a_png.rf.{'0' * 32}.jpg",
                "height": HEIGHT,
                "width": WIDTH,
                "date_captured": date,
            }
        ],
        "annotations": [
            {
                "id": number,
                "image_id": 0,
                "category_id": number + 1,
                "bbox": [x, 10, 30, 20.5],
                "area": 615,
                "segmentation": []
                if boxes
                else [[x, 10, x + 30, 10, x + 30, 30.5, x + 0.125, 20.75, x, 10]],
                "iscrowd": 0,
            }
            for number, x in enumerate((10, 50))
        ],
    }


def labelme2coco(*, rectangle: bool = False, folder: str = "data/mine/train") -> Content:
    """Returns what the package ``labelme2coco`` writes.

    Ids of images and annotations count from 1, those of categories from 0. Coordinates and ``area``
    are cut to integers, ``bbox`` is not. ``file_name`` holds the folder that was converted.
    ``rectangle`` adds an annotation with ``segmentation: []``.
    """
    annotations: list[Content] = [
        {
            "iscrowd": 0,
            "image_id": 1,
            "bbox": [10.0, 10.0, 30.0, 20.5],
            "segmentation": [[10, 10, 40, 10, 40, 30]],
            "category_id": 0,
            "id": 1,
            "area": 307,
        },
        {
            "iscrowd": 0,
            "image_id": 1,
            "bbox": [50.0, 10.0, 10.0, 10.0],
            "segmentation": [[50, 10, 60, 10, 60, 20]],
            "category_id": 1,
            "id": 2,
            "area": 50,
        },
    ]
    if rectangle:
        annotations.append(
            {
                "iscrowd": 0,
                "image_id": 1,
                "bbox": [60.0, 20.0, 10.0, 10.0],
                "segmentation": [],
                "category_id": 1,
                "id": 3,
                "area": 100,
            }
        )
    return {
        "images": [{"height": HEIGHT, "width": WIDTH, "id": 1, "file_name": f"{folder}/a.png"}],
        "annotations": annotations,
        "categories": [
            {"id": 0, "name": "cat", "supercategory": "cat"},
            {"id": 1, "name": "dog", "supercategory": "dog"},
        ],
    }


def labelme(*, rectangle: bool = False) -> Content:
    """Returns what labelme's example script ``labelme2coco.py`` writes.

    All ids count from 0. Keys without a value are ``None``, ``supercategory`` included.
    ``file_name`` holds the folder ``JPEGImages``. Polygons of one ``group_id`` are one annotation.
    ``rectangle`` adds an annotation whose polygon is the two corners of a rectangle.
    """
    annotations: list[Content] = [
        {
            "id": 0,
            "image_id": 0,
            "category_id": 0,
            "segmentation": [[10.0, 10.0, 40.0, 10.0, 40.0, 30.5], [50, 10, 60, 10, 60, 20]],
            "area": 397.0,
            "bbox": [10.0, 10.0, 51.0, 21.0],
            "iscrowd": 0,
        }
    ]
    if rectangle:
        annotations.append(
            {
                "id": 1,
                "image_id": 0,
                "category_id": 1,
                "segmentation": [[60.0, 20.0, 70.0, 30.0]],
                "area": 121.0,
                "bbox": [60.0, 20.0, 11.0, 11.0],
                "iscrowd": 0,
            }
        )
    return {
        "info": {
            "description": None,
            "url": None,
            "version": None,
            "year": 2025,
            "contributor": None,
            "date_created": "2025-01-01 12:00:00.000000",
        },
        "licenses": [{"url": None, "id": 0, "name": None}],
        "type": "instances",
        "images": [
            {
                "license": 0,
                "url": None,
                "file_name": "JPEGImages/a.jpg",
                "height": HEIGHT,
                "width": WIDTH,
                "date_captured": None,
                "id": 0,
            }
        ],
        "categories": [
            {"supercategory": None, "id": 0, "name": "cat"},
            {"supercategory": None, "id": 1, "name": "dog"},
        ],
        "annotations": annotations,
    }


def via(*, point: bool = False, twice: bool = False) -> Content:
    """Returns what VIA 2.0.10 and later write.

    Ids count from 1. ``supercategory`` is the name of the region attribute. ``area`` is the box's,
    also for the polygon (annotation 1). Annotation 2 was drawn as a rectangle. ``point`` adds a
    point: ``segmentation`` is ``[[]]``, ``bbox`` and ``area`` are ``[]``. ``twice`` repeats
    annotation 1 under its id, as for an object with two dropdown attributes.
    """
    polygon: Content = {
        "segmentation": [[10, 10, 40, 10, 40, 30]],
        "area": 600,
        "bbox": [10, 10, 30, 20],
        "iscrowd": 0,
        "id": 1,
        "image_id": 1,
        "category_id": 1,
    }
    annotations = [polygon, dict(polygon)] if twice else [polygon]
    annotations.append(
        {
            "segmentation": [[60, 20, 70, 20, 70, 30, 60, 30]],
            "area": 100,
            "bbox": [60, 20, 10, 10],
            "iscrowd": 0,
            "id": len(annotations) + 1,
            "image_id": 1,
            "category_id": 2,
        }
    )
    if point:
        annotations.append(
            {
                "segmentation": [[]],
                "area": [],
                "bbox": [],
                "iscrowd": 0,
                "keypoints": [20, 15, 2],
                "num_keypoints": 1,
                "id": len(annotations) + 1,
                "image_id": 1,
                "category_id": 1,
            }
        )
    return {
        "info": {
            "year": 2025,
            "version": "1.0",
            "description": "VIA project exported to COCO format",
            "contributor": "",
            "url": "http://www.robots.ox.ac.uk/~vgg/software/via/",
            "date_created": "Wed Jan 01 2025 12:00:00 GMT+0000",
        },
        "images": [
            {
                "id": 1,
                "width": WIDTH,
                "height": HEIGHT,
                "file_name": "a.png",
                "license": 0,
                "flickr_url": "a.png",
                "coco_url": "a.png",
                "date_captured": "",
            }
        ],
        "annotations": annotations,
        "licenses": [{"id": 0, "name": "Unknown License", "url": ""}],
        "categories": [
            {"supercategory": "class", "id": 1, "name": "cat"},
            {"supercategory": "class", "id": 2, "name": "dog"},
        ],
    }


def via_2_0_8(*, null_category: bool = False) -> Content:
    """Returns what VIA 2.0.8 writes.

    Ids count from 0. Polygons are flat lists. ``image_id`` is text, while ``images`` has numbers.
    ``null_category`` gives the file of a class that was typed as text: ``category_id`` is ``None``.
    """
    return {
        "info": {
            "year": 2019,
            "version": "1.0",
            "description": "VIA project exported to COCO format",
            "contributor": "",
            "url": "http://www.robots.ox.ac.uk/~vgg/software/via/",
            "date_created": "Tue Jan 01 2019 12:00:00 GMT+0000",
        },
        "images": [
            {
                "id": 0,
                "width": WIDTH,
                "height": HEIGHT,
                "file_name": "a.png",
                "license": 1,
                "date_captured": "",
            }
        ],
        "annotations": [
            {
                "id": 0,
                "image_id": "0",
                "category_id": None if null_category else 1,
                "segmentation": [10, 10, 40, 10, 40, 30],
                "area": 600,
                "bbox": [10, 10, 30, 20],
                "iscrowd": 0,
            }
        ],
        "licenses": [{"id": 1, "name": "Unknown", "url": ""}],
        "categories": [{"supercategory": "class", "id": 1, "name": "cat"}],
    }
