"""Writes what the binary is made of: a CycloneDX SBOM and the licence texts of all its crates.

image/inventory.py TARGET FOLDER. From `cargo metadata`, whose order is fixed, so that the same lock file gives the same bytes.
https://cyclonedx.org/docs/1.6/json/
"""

import json
import pathlib
import re
import subprocess
import sys

target, folder = sys.argv[1], pathlib.Path(sys.argv[2])
text = subprocess.run(
    ["cargo", "metadata", "--format-version=1", "--locked", "--filter-platform", target],
    check=True, capture_output=True, text=True,
).stdout
metadata = json.loads(text)
packages = {package["id"]: package for package in metadata["packages"]}
nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
root = metadata["resolve"]["root"]

# Only what is linked: no dev-dependencies, no build scripts' own.
linked, waiting = set(), [root]
while waiting:
    identifier = waiting.pop()
    if identifier in linked:
        continue
    linked.add(identifier)
    for dependency in nodes[identifier]["deps"]:
        if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
            waiting.append(dependency["pkg"])


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package):
    found = {
        "type": "library",
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
    }
    if package["license"]:
        # Cargo's older form of "or".
        found["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    return found


crates = sorted((packages[i] for i in linked if i != root), key=lambda p: (p["name"], p["version"]))
own = component(packages[root]) | {"type": "application"}
sbom = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "version": 1,
    "metadata": {"component": own},
    "components": [component(package) for package in crates],
    "dependencies": [
        {
            "ref": purl(packages[identifier]),
            "dependsOn": sorted({purl(packages[d["pkg"]]) for d in nodes[identifier]["deps"] if d["pkg"] in linked}),
        }
        for identifier in sorted(linked, key=lambda i: purl(packages[i]))
    ],
}
(folder / "sbom.cdx.json").write_text(json.dumps(sbom, indent=1) + "\n")

licence = re.compile(r"(licen[cs]e|copying|notice|unlicense)", re.IGNORECASE)
with open(folder / "LICENSES.txt", "w", encoding="utf-8") as out:
    without = []
    for package in crates:
        place = pathlib.Path(package["manifest_path"]).parent
        files = sorted(p for p in place.iterdir() if p.is_file() and licence.search(p.name))
        out.write(f"\n{'=' * 100}\n{package['name']} {package['version']}: {package['license'] or 'see below'}\n")
        if not files:
            without.append(f"{package['name']} {package['version']} ({package['license']})")
        for path in files:
            out.write(f"\n--- {path.name}\n{path.read_text(encoding='utf-8', errors='replace').strip()}\n")
    out.write(f"\n{'=' * 100}\nWithout a text in their packages, under the licences they name: {', '.join(without) or 'none'}\n")
