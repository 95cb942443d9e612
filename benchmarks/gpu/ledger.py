"""tests/device_ledger.json: which CUDA kernels ran on a real GPU, of which source, how near to float64, how fast.

{"about": the machine, or "no device run yet",
 "kernels": {file: {hash, kind, device, driver, date, "instances": {name: {error, tests, failed, us, at}}}},
 "tests": {file: {hash, kind, device, driver, date, passed, failed, seconds}}}

error   the largest difference from float64 of a check in which the kernel ran, as a part of the largest number
us, at  the time of its longest launch in the table, microseconds, and the case
"""

import hashlib
import json
import os
from importlib import import_module
from pathlib import Path

import tinydl  # noqa: F401 (it makes tinydl.kernels importable)
from tinydl.kernels.gpu import FAMILIES
from tinydl.kernels.gpu.source import CSRC, Source

ROOT = Path(__file__).parents[2]
LEDGER = ROOT / "tests" / "device_ledger.json"
NO_RUN = "no device run yet"
STAMP = ("kind", "device", "driver", "date")  # what every row says of where and when it was made


# ---------------------------------------------------------------- what evidence holds for
def sources() -> list[Source]:
    """Every source of CUDA kernels, in the order of their names."""
    for family in FAMILIES:
        import_module(f"tinydl.kernels.gpu.{family}")
    return sorted(Source.all, key=lambda source: source.file)


def hashes() -> dict[str, str]:
    """Of each source its hash: of the CUDA code and its instances, and of the Python file that launches them."""
    wrappers = [path.read_text() for path in sorted(CSRC.parent.glob("*.py"))]
    return {s.file: _hash(s.digest, *(text for text in wrappers if f'"{s.file}"' in text)) for s in sources()}


def hash_of_test(file: str) -> str:
    """That of a test: of its file and of all kernels."""
    return _hash((ROOT / "tests" / file).read_text(), *hashes().values())


def hash_of_file(path: Path) -> str:
    return _hash(path.read_text())


def _hash(*parts):
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


# ---------------------------------------------------------------- kept
def read(path: Path = LEDGER) -> dict:
    """The ledger as it is."""
    return json.loads(path.read_text()) if path.exists() else {"about": NO_RUN, "kernels": {}, "tests": {}}


def write(ledger: dict, path: Path = LEDGER) -> None:
    """Keep it.  ValueError for rows that were emulated: nothing but a GPU verifies."""
    rows = [*ledger["kernels"].values(), *ledger["tests"].values()]
    if path.resolve() == LEDGER and any(row["kind"] != "cuda" for row in rows):
        raise ValueError(f"{path.name}: what was emulated is not verified on a device")
    write_whole(path, ledger)


def write_whole(path: Path, content: dict) -> None:
    """The file as it was, or as it will be, also where the process is killed."""
    beside = path.with_suffix(".tmp")
    beside.write_text(json.dumps(content, indent=1) + "\n")
    os.replace(beside, path)


def stamped(about: dict) -> dict:
    """What a row says of where and when it was made."""
    return {key: about[key] for key in STAMP}


def enter(ledger: dict, line: dict, about: dict) -> None:
    """What one test saw (a line of tests/evidence.py) of kernels that ran on this device, and on no other."""
    now = hashes()
    for file, names in line["launched"].get(about["kind"], {}).items():
        found = _row(ledger, file, now, about)
        for name in names:
            instance = found["instances"].setdefault(name, {"error": None, "tests": 0, "failed": []})
            instance["tests"] += line["passed"]
            if not line["passed"]:
                instance["failed"] = sorted({*instance["failed"], line["test"]})
            elif line["error"] is not None:
                instance["error"] = max(instance["error"] or 0.0, line["error"])


def enter_times(ledger: dict, row: dict, about: dict) -> None:
    """The launches of one case of the table; the longest of each kernel is kept."""
    now = hashes()
    for file, names in row["launches"].items():
        instances = _row(ledger, file, now, about)["instances"]
        for name, us in names.items():
            instance = instances.setdefault(name, {"error": None, "tests": 0, "failed": []})
            if us > instance.get("us", 0):
                instance |= {"us": us, "at": row["case"]}


def _row(ledger, file, now, about):
    """The row of a source; what was seen of another text of it, or on another device, holds no more."""
    key = {"hash": now[file]} | stamped(about)
    row = ledger["kernels"].get(file, {})
    if any(row.get(k) != key[k] for k in ("hash", "kind", "device")):
        row = ledger["kernels"][file] = {"instances": {}}
    row |= key
    return row


# ---------------------------------------------------------------- read
def verified(ledger: dict) -> dict[str, list[str]]:
    """Of each source those instances that ran on a GPU as they are now, near float64, and failed no test."""
    now = hashes()
    return {
        file: [
            name for name, i in row["instances"].items() if i["tests"] and not i["failed"] and i["error"] is not None
        ]
        for file, row in ledger["kernels"].items()
        if row["kind"] == "cuda" and row["hash"] == now.get(file)
    }


def state(ledger: dict) -> str:
    """In a sentence: how many kernels are verified, and where."""
    every = {s.file: set(s.instances) for s in sources()}
    total = sum(map(len, every.values()))
    if ledger["about"] == NO_RUN:
        return f"{NO_RUN}: none of {total} kernels has been verified on a GPU."
    found = {file: every[file] & set(names) for file, names in verified(ledger).items()}
    stale = sorted(set(ledger["kernels"]) - set(found))
    text = f"{sum(map(len, found.values()))} of {total} kernels verified on {ledger['about']['device']}"
    return f"{text}; changed since: {', '.join(stale)}." if stale else f"{text}."
