"""Writes down what is in the packages: a CycloneDX bill of materials, the same for the same sources.

It is made of `cargo tree`, which resolves features as the build does; `cargo metadata`, and what is made of it, would
add what only other parts of the workspace ask for. What only runs while building is in it, with scope `excluded`.
"""

import hashlib
import json
import re
import subprocess
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGETS = {"arm64": "aarch64-unknown-linux-gnu", "x86_64": "x86_64-unknown-linux-gnu"}
PACKAGES = ["intake", "workers"]
REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"
# A line of `cargo tree`: how deep, name, version, where it is from or what it is, licence.
LINE = re.compile(r"(\d+)(\S+) v(\S+)((?: \([^)]+\))*)\|([^|]*?)(?: \(\*\))?$")
LOCKED = re.compile(r'name = "(.+)"\nversion = "(.+)"\nsource = "(.+)"\nchecksum = "([0-9a-f]{64})"')
# What a binary says of where it might panic: the crate that the line is of.
PANICS = re.compile(rb"registry/src/[^/\0]+/([A-Za-z0-9_-]+?)-(\d+\.\d+\.\d+[A-Za-z0-9.+-]*)/")
# Of some hundred crates in a function, those that may panic; fewer would mean that nothing is looked at.
MIN_FOUND = 20


def write(architecture: str, packages: dict[str, Path], binaries: list[Path], out: Path) -> None:
    """Leaves the bill for zipped `packages`, by function, in `out`; `binaries` are what is in them."""
    inside, edges = tree(architecture, "normal,no-proc-macro")
    everything, more_edges = tree(architecture, "normal,build")
    for crate, needs in more_edges.items():
        edges.setdefault(crate, set()).update(needs)
    for binary in binaries:
        check(binary, inside)
    checksums = locked()
    components = [function(name, package, architecture) for name, package in sorted(packages.items())]
    components += [rust()]
    for crate, licence in sorted((everything | inside).items()):
        components.append(component(crate, licence, "required" if crate in inside else "excluded", checksums))
    needs = [{"ref": ref(crate), "dependsOn": sorted(map(ref, edges.get(crate, ())))} for crate in sorted(everything)]
    versions = {name: version for name, version in everything if name in PACKAGES}
    for name in sorted(packages):
        package = name if name in PACKAGES else "workers"
        needs.append({"ref": f"function:{name}", "dependsOn": [ref((package, versions[package])), "rust"]})
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {"type": "application", "bom-ref": "internal-pos", "name": "internal-pos"},
            "properties": [{"name": "internal-pos:target", "value": TARGETS[architecture]}],
        },
        "components": components,
        "dependencies": [{"ref": "internal-pos", "dependsOn": sorted(f"function:{name}" for name in packages)}, *needs],
    }
    # What it says is what it is called by.
    content = json.dumps(bill, sort_keys=True)
    bill["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_OID, content).urn
    out.write_text(json.dumps(bill, indent=1, sort_keys=True) + "\n")
    print(f"  {out.name}: {len(inside)} crates in the packages, {len(everything) - len(inside)} that only build them")


def tree(architecture: str, edges: str) -> tuple[dict, dict]:
    """Licences of all crates, by name and version, and what each of them needs."""
    command = ["cargo", "tree", "--locked", "--target", TARGETS[architecture], "--edges", edges]
    command += ["--prefix", "depth", "--format", "{p}|{l}"]
    for package in PACKAGES:
        command += ["--package", package]
    lines = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    licences, needs, above = {}, {}, []
    for line in filter(None, lines):
        found = LINE.match(line)
        if not found:
            raise ValueError(f"cargo tree says {line!r}")
        depth, crate = int(found[1]), (found[2], found[3])
        licences[crate] = found[5]
        del above[depth:]
        if above:
            needs.setdefault(above[-1], set()).add(crate)
        above.append(crate)
    return licences, needs


def locked() -> dict:
    """The hash of every crate of the registry's, by name and version."""
    found = LOCKED.findall((ROOT / "Cargo.lock").read_text())
    return {(name, version): checksum for name, version, source, checksum in found if source == REGISTRY}


def check(binary: Path, inside: dict) -> None:
    """A crate that a binary names is in the bill, whatever `cargo tree` says."""
    found = {(name.decode(), version.decode()) for name, version in PANICS.findall(binary.read_bytes())}
    if len(found) < MIN_FOUND:
        raise ValueError(f"{binary} names {len(found)} crates; it is to name at least {MIN_FOUND}")
    missing = found - set(inside)
    if missing:
        raise ValueError(f"{binary} has {sorted(missing)} in it, which the bill of materials has not")


def ref(crate: tuple[str, str]) -> str:
    return f"{crate[0]}@{crate[1]}"


def component(crate: tuple[str, str], licence: str, scope: str, checksums: dict) -> dict:
    name, version = crate
    made = {"type": "library", "bom-ref": ref(crate), "name": name, "version": version, "scope": scope}
    if licence:
        made["licenses"] = [{"expression": licence.replace("/", " OR ")}]
    # Crates of ours come from no registry.
    if crate in checksums:
        made["purl"] = f"pkg:cargo/{name}@{version}"
        made["hashes"] = [{"alg": "SHA-256", "content": checksums[crate]}]
    return made


def function(name: str, package: Path, architecture: str) -> dict:
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    return {
        "type": "application",
        "bom-ref": f"function:{name}",
        "name": name,
        "description": f"{package.name} for {architecture}",
        "hashes": [{"alg": "SHA-256", "content": digest}],
    }


def rust() -> dict:
    """The standard library, which is in every function as the toolchain brings it."""
    said = subprocess.run(["rustc", "--version"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return {
        "type": "framework",
        "bom-ref": "rust",
        "name": "rust-std",
        "version": said.split()[1],
        "licenses": [{"expression": "MIT OR Apache-2.0"}],
    }
