"""Every CUDA source, as it is now, was compiled for real devices; none was seen to spill."""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest

_FILE = Path(__file__).parents[1] / "tools" / "compile_cuda.py"
_spec = importlib.util.spec_from_file_location("compile_cuda", _FILE)
compile_cuda = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(compile_cuda)
SOURCES = compile_cuda.sources()


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.file)
def test_the_table_is_of_this_source(source):
    row = json.loads(compile_cuda.TABLE.read_text()).get(source.file, {})
    assert row.get("hash") == source.digest, "run python tools/compile_cuda.py"
    assert set(row) == {"hash", *(f"{c} {t}" for c in ("nvcc", "nvrtc") for t in compile_cuda.targets(source))}


def test_every_source_has_its_family():
    assert {s.file for s in SOURCES} == {f.name for f in compile_cuda.Source.all[0].folder.glob("*.cu")}


@pytest.mark.skipif(not shutil.which("nvcc"), reason="there is no nvcc")
def test_faults_are_reported(monkeypatch):
    source = compile_cuda.Source("random.cu", "philox_normal<float>", "nothing<float>")
    compile_cuda.Source.all.remove(source)
    with pytest.raises(RuntimeError, match='random.cu, nvcc, sm_90.*\n(.*\n)*.*"nothing" is undefined'):
        compile_cuda.by_nvcc(source, "sm_90")
