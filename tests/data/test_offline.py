"""What loads without the network, and without the libraries that take long to import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from PIL import Image

from tests.support.idx_files import FILES, write

SCRIPT = """
import sys
from gan_experiments.data import digits, idx, image_folder, mixtures
from gan_experiments.errors import UserError
from tests.support.idx_files import EXTRACTED_RELEASE

def watch(event, arguments):
    if event.startswith("socket."):
        print("network:", event, arguments)

sys.addaudithook(watch)
idx.RELEASES["mnist"] = EXTRACTED_RELEASE
root = sys.argv[1]
digits.load("digits", "data", 28, True)
idx.load("mnist", root, 28, True)
idx.load("mnist", root, 28, False)
image_folder.load("image_folder", root + "/pictures", 28, 3, False)
mixtures.ring("ring", 8, 1.0, 0.01, 100, 0)
try:
    idx.load("kmnist", root, 28, False)
except UserError:
    print("refused")
print(*sorted({"sklearn", "torchvision", "matplotlib", "mlflow"} & set(sys.modules)))
"""


def test_data_that_are_there_need_neither(tmp_path: Path) -> None:
    write(tmp_path / "MNIST/raw", FILES)
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (30, 30)).save(tmp_path / "pictures" / "picture.png")
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    here = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == (["refused"], "")
