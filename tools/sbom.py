"""Writes what Parley is made of: `sbom.json`, CycloneDX 1.6, of `requirements.lock` and the pages' lock file.

Names, versions, hashes and licences are those of the locks and of what is installed; nothing is asked of anybody.
"""

import base64
import json
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from licences import LOCKS, RULES, TREE, said_by

REQUIREMENT = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)((?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def main() -> int:
    """Write the list; its number is made of its content, so that the same locks give the same file."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TREE / "sbom.json"
    rules = tomllib.loads(RULES.read_text())
    components = [*of_python((TREE / "requirements.lock").read_text(), rules), *of_npm(LOCKS["web"].read_text(), rules)]
    target.write_text(json.dumps(document(components), indent=1) + "\n")
    print(f"{target}: {len(components)} components")
    return 0


def document(components: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The whole of it."""
    listed = sorted(components, key=lambda each: str(each["bom-ref"]))
    project = tomllib.loads((TREE / "pyproject.toml").read_text())["project"]
    number = uuid5(NAMESPACE_URL, json.dumps(listed, sort_keys=True))
    reference = f"pkg:generic/parley@{project['version']}"
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{number}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": reference,
                "name": "parley",
                "version": project["version"],
                "licenses": [{"expression": project["license"]}],
                "purl": reference,
            }
        },
        "components": listed,
        "dependencies": [{"ref": reference, "dependsOn": [each["bom-ref"] for each in listed]}],
    }


def of_python(lock: str, rules: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The packages of a requirements file. Each of its hashes is of one file of the release, a wheel or the source."""
    for name, version, rest in REQUIREMENT.findall(lock):
        try:
            said = said_by(metadata(name))
        except PackageNotFoundError:
            said = ""
        files = [{"alg": "SHA-256", "content": each} for each in HASH.findall(rest)]
        yield component(f"pkg:pypi/{name.lower()}@{version}", name, version, said, rules, files)


def of_npm(lock: str, rules: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The modules of a lock file; those of development are not among what is handed on."""
    seen = set()
    for place, each in json.loads(lock)["packages"].items():
        name = place.rpartition("node_modules/")[2]
        if not name or (name, each["version"]) in seen:
            continue
        seen.add((name, each["version"]))
        kind, _, digest = each["integrity"].partition("-")
        content = base64.b64decode(digest).hex()
        reference = f"pkg:npm/{quote(name, safe='/')}@{each['version']}"
        made = component(
            reference,
            name,
            each["version"],
            each.get("license", ""),
            rules,
            [{"alg": kind.upper().replace("SHA", "SHA-"), "content": content}],
        )
        yield made | ({"scope": "excluded"} if each.get("dev") else {})


def component(
    reference: str, name: str, version: str, said: str, rules: dict[str, Any], hashes: list[dict[str, str]]
) -> dict[str, Any]:
    """One of them."""
    exception = rules["exceptions"].get(name)
    licence = exception["licence"] if exception else rules["spellings"].get(said, said)
    made: dict[str, Any] = {
        "type": "library",
        "bom-ref": reference,
        "name": name,
        "version": version,
        "purl": reference,
        "hashes": hashes,
    }
    simple = re.fullmatch(r"[A-Za-z0-9.()+ -]+", licence) and licence.replace("MIT License", "MIT")
    return made | ({"licenses": [{"expression": simple}]} if simple else {})


if __name__ == "__main__":
    sys.exit(main())
