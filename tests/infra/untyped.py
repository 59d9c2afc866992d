"""The modules as checkov's parser knows the language: without imports and types, which say nothing of what is deployed.

`python -m tests.infra.untyped FOLDER` writes them there. main.bicep is left out: that parser does not know its lambdas either,
and of resources the file has the group alone.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tests.infra.bicep import INFRA, Bicep, load


def untyped(template: Bicep) -> str:
    """The text of one file with as many lines, so that what checkov says leads to the right one."""
    text = re.sub(r"^import .*$", "", template.path.read_text(), flags=re.MULTILINE)
    for name in template.imports:
        text = re.sub(rf"^((?:param|output) \w+) {name}\b", r"\1 object", text, flags=re.MULTILINE)
    return re.sub(r"^(param \w+) \w+\[\]", r"\1 array", text, flags=re.MULTILINE).replace("[?", "[")


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in (INFRA / "modules").glob("*.bicep"):
        (folder / path.name).write_text(untyped(load(path)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
