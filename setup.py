"""Package metadata, for users who bring a torch, mmcv and mmdet of their own.

`make demo` and `make test` install exact pins instead: see requirements/.
"""

import runpy
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent

# One list serves pip and the check at import; each range has its reason there.
RANGES = runpy.run_path(str(ROOT / "msrcnn_mm" / "versions.py"))["RANGES"]

# torch and mmcv are checked when msrcnn_mm is imported, and not asked of pip. pip would replace a
# torch out of range, which breaks the operators of every package built for it. It would build a
# missing mmcv from source without torch in sight: that fails, or ends in an mmcv that has no
# operators. docs/install.md says how to get both.
BY_PIP = [entry.specifier for entry in RANGES if entry.by_pip]

setup(
    name="msrcnn_mm",
    version="0.1.0",
    description="Mask Scoring R-CNN toolkit on MMDetection 3.x",
    license="Apache-2.0",
    packages=find_packages(include=["msrcnn_mm", "msrcnn_mm.*"]),
    package_data={"msrcnn_mm.report": ["page.html", "page.css", "sort.js"]},
    # 3.10 is the oldest that the syntax allows; the pins of `make` are for 3.11, and GPUs ran 3.12.
    python_requires=">=3.10",
    install_requires=[
        *BY_PIP,
        # Any version: mmengine asks for >=3 itself, we draw with it.
        "opencv-python>=4.5",
        # torch and mmengine ask for these themselves, in any version; we write the report with
        # them. Jinja2 3.0 brought the MarkupSafe whose import we use.
        "Jinja2>=3.0",
        "matplotlib>=3.6",
        # Isotonic regression, for calibrations; 1.3 is the first with wheels for Python 3.12.
        "scikit-learn>=1.3,<2",
    ],
)
