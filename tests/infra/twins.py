"""What a hook tells Azure and people, read from its script for `sh` or for PowerShell, in words that are the same for both."""

from __future__ import annotations

import re
from pathlib import Path

#: Programs whose calls have to be the same. PowerShell's `Ask` and `Run` stand for `az` and for what they are given.
_PROGRAMS = re.compile(r"(?<!Get-Command )(?<![\w$./'-])(az|azd|psql|Ask) (?=[a-z-])")
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_SAID = re.compile(r"^(?:.*[\s;{])?(?:echo|Write-Host|throw) (?P<text>'[^']*'|\"(?:[^\"\\]|\\.)*\")")


def calls(script: Path) -> list[str]:
    """Every call of a program with all its arguments, in the order of the script."""
    found = []
    for line in _lines(script):
        if _SAID.match(line):
            continue
        while program := _PROGRAMS.search(line):
            call = _until_end(line[program.start(1) :])
            line = line[program.start(1) + len(call) :]
            asked = re.sub(r"^Ask (.*)", r"az \1 -o tsv", _neutral(call))
            if "@args" not in asked:
                found.append(asked)
    return found


def said(script: Path) -> list[str]:
    """Every sentence that people read."""
    found, in_block = [], False
    for line in _lines(script):
        if re.search(r"<< END$|@\"$", line):
            in_block = True
        elif line in ("END", '"@'):
            in_block = False
        elif in_block:
            found.append(_neutral(line, quotes=False))
        elif spoken := _SAID.match(line):
            found.append(_neutral(spoken["text"][1:-1], quotes=False))
    # the first are statements for the database, the second is what `set -e` does without a word
    return [text for text in found if not text.startswith(("\\", "grant ", "$PROGRAM"))]


def _lines(script: Path) -> list[str]:
    """Without comments and indentation; what goes on in the next line is one."""
    text = script.read_text().replace("\\\n", " ")
    return [_COMMENT.sub("", line).strip() for line in text.splitlines()]


def _until_end(text: str) -> str:
    """A command up to what ends it outside quotes: another command, a pipe, a redirection, a closing bracket."""
    quote = ""
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in ";|&)}><":
            return re.sub(r" \d$", "", text[:place].rstrip())
    return text.rstrip()


def _neutral(text: str, *, quotes: bool = True) -> str:
    """Variables as `$NAME`, in upper case since PowerShell knows no other; `$1` is `$what`."""
    text = re.sub(r"\$env:(\w+)", r"$\1", text.replace("\\$", "$").replace("`$", "$"))
    text = re.sub(r"\$\{?(\w+)\}?", lambda name: f"${name[1]}".upper(), text.replace("$1", "$what"))
    return " ".join(text.replace('"', "").replace("'", "").split()) if quotes else text
