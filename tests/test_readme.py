"""What the README shows is true: its programs run as they stand, and its commands exist."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import tinydl
from tinydl import cli

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
PROGRAMS = [body for language, body in BLOCKS if language == "python"]
COMMANDS = [body for language, body in BLOCKS if not language]


def test_the_ten_lines_train():
    """20 epochs on the digits: the loss that it prints falls."""
    (program,) = (p for p in PROGRAMS if "DataLoader" in p)
    tinydl.manual_seed(0)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(program, "README.md", "exec"), {})
    losses = [float(line.split()[1]) for line in said.getvalue().splitlines()]
    assert len(losses) == 20
    assert np.mean(losses[-5:]) < 0.3 < np.mean(losses[:1])


def test_the_operation_of_ones_own_has_every_derivative():
    """sqrt(1 + x^2) has slope x / y and curvature 1 / y^3."""
    (program,) = (p for p in PROGRAMS if "@op" in p)
    names = {"tinydl": tinydl}  # imported by the program before it
    exec(compile(program, "README.md", "exec"), names)
    x = np.array([0.5, 2.0])
    y = np.sqrt(1 + x * x)
    np.testing.assert_allclose(names["slope"].detach().numpy(), x / y, rtol=1e-6)
    np.testing.assert_allclose(names["curvature"].detach().numpy(), y**-3, rtol=1e-5)


def test_its_two_commands():
    """One installs and runs, one installs and tests; nothing in them that setup.cfg or the command line lacks."""
    extras = (ROOT / "setup.cfg").read_text().partition("[options.extras_require]")[2]
    parts = [shlex.split(step) for command in COMMANDS for step in command.split("&&")]
    assert len(COMMANDS) == 2 and len(parts) == 4
    for words in parts:
        if words[:2] == ["pip", "install"]:
            (extra,) = re.fullmatch(r"\.\[(\w+)\]", words[3]).groups()
            assert re.search(rf"^{extra} =$", extras, re.MULTILINE)
        elif words[0] == "tinydl":
            assert words[1] in cli.COMMANDS
        else:
            assert words[0] == "pytest"


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`tinydl (\w+[^`]*)`", TEXT))))
def test_commands_named_in_the_text_exist(command):
    """Their options too."""
    name, *options = shlex.split(command)
    with pytest.raises(SystemExit) as stop:
        cli.main([name, *options, "--help"])
    assert stop.value.code == 0


def test_files_and_links_exist():
    linked = re.findall(r"\]\(([^)#:]+)\)", TEXT)
    named = re.findall(r"`((?:tinydl|kernels|notebooks|tests)/[\w./]+)`", TEXT)
    assert linked and named
    missing = [path for path in linked + named if not (ROOT / path).exists()]
    assert not missing
