"""Builds every function for Lambda and zips it: the same sources make the same bytes, wherever they are.

Leaves `<function>.zip` in `.package/`, `sbom.cdx.json` that says what is in them, and the empty function that start-up
is held against beside them.
"""

import argparse
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import sbom

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ROOT / ".package"
FUNCTIONS = [
    "intake",
    "post_checkouts",
    "administer",
    "replenish",
    "import_files",
    "listen",
    "announce",
    "deliver",
    "reconcile",
]
EMPTY = "empty"
# The most that a package may have, in bytes.
MAX_ZIP = 8 * 1024 * 1024
# What a zip says of every file's time: the earliest that it can.
EPOCH = (1980, 1, 1, 0, 0, 0)
EXECUTABLE = 0o100755


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--architecture", choices=["arm64", "x86_64"], default="arm64")
    architecture = parser.parse_args().architecture
    build(architecture)
    is_small = report(architecture)
    packages = {name: PACKAGES / f"{name}.zip" for name in FUNCTIONS}
    sbom.write(architecture, packages, [PACKAGES / name / "bootstrap" for name in FUNCTIONS], PACKAGES / "sbom.cdx.json")
    return 0 if is_small else 1


def build(architecture: str) -> None:
    # Paths of this machine stay out of the binaries.
    cargo_home = os.environ.get("CARGO_HOME", str(Path.home() / ".cargo"))
    remap = f"--remap-path-prefix={cargo_home}=cargo"
    environment = os.environ | {"RUSTFLAGS": f"{os.environ.get('RUSTFLAGS', '')} {remap}".strip()}
    target = "--arm64" if architecture == "arm64" else "--x86-64"
    # The same packages each time, or the same libraries would be built for each choice of them.
    packages = ["--package", "intake", "--package", "workers"]
    for what in (["--bins"], ["--example", EMPTY]):
        command = ["cargo", "lambda", "build", "--release", "--locked", target, "--lambda-dir", str(PACKAGES), *packages]
        subprocess.run([*command, *what], cwd=ROOT, env=environment, check=True)


def report(architecture: str) -> bool:
    too_large = []
    print(f"\npackages for {architecture}, in bytes")
    for name in [*FUNCTIONS, EMPTY]:
        bootstrap = PACKAGES / name / "bootstrap"
        package = PACKAGES / f"{name}.zip"
        with zipfile.ZipFile(package, "w") as archive:
            entry = zipfile.ZipInfo("bootstrap", EPOCH)
            entry.external_attr = EXECUTABLE << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, bootstrap.read_bytes(), compresslevel=9)
        size = package.stat().st_size
        print(f"  {name:<16}{bootstrap.stat().st_size:>12,} unzipped{size:>12,} zipped")
        if size > MAX_ZIP:
            too_large.append(name)
    if too_large:
        print(f"larger than {MAX_ZIP:,}: {', '.join(too_large)}", file=sys.stderr)
    return not too_large


if __name__ == "__main__":
    sys.exit(main())
