"""The packages hold what the app needs, with byte code and nothing twice; and the app runs from them alone."""

from __future__ import annotations

import hashlib
import json
import struct
import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import BytesParser
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

import pytest
from chalice.utils import OSUtils
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from chalicelib import clihooks
from chalicelib.clipackages import IN_THE_RUNTIME, byte_code
from tests.infra.stage import ROOT, copy_project
from tests.infra.unpacked import Unpacked, unpack_here

MEGABYTE = 1024 * 1024
LARGEST_CODE = 1 * MEGABYTE
LARGEST_LAYER = 8 * MEGABYTE
SITE_PACKAGES = f"python/lib/python3.{sys.version_info.minor}/site-packages/"
CHECKED_NEVER = 0b01

Contents = dict[str, bytes]


def contents(package: Path) -> Contents:
    with zipfile.ZipFile(package) as packed:
        assert len(set(packed.namelist())) == len(packed.namelist()), "a file is packed twice"
        return {name: packed.read(name) for name in packed.namelist()}


@pytest.fixture(scope="session")
def layer(package: dict[str, Any], project: Path) -> Contents:
    """The layer's files, named as they are imported."""
    packed = contents(project.parent / "package" / "layer-deployment.zip")
    return {name.removeprefix(SITE_PACKAGES): content for name, content in packed.items()}


@pytest.fixture(scope="session")
def code(package: dict[str, Any], project: Path) -> Contents:
    """What is beside a layer."""
    return contents(project.parent / "package" / "deployment.zip")


@pytest.fixture(scope="session")
def unpacked(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    """The same app as one package for this machine, from a project that has been run before."""
    copy = copy_project(project, tmp_path_factory.mktemp("unpacked") / "project")
    left = copy / "chalicelib" / "__pycache__" / Path(cache_from_source("gone.py")).name
    left.parent.mkdir()
    left.write_bytes(b"old")
    return unpack_here(copy)


@pytest.fixture(scope="session")
def all_in_one(unpacked: Unpacked) -> Contents:
    """What is packed where there is no layer."""
    return contents(unpacked.project.parent / "packed" / "deployment.zip")


@pytest.fixture(params=["layer", "code", "all_in_one"])
def packed(request: pytest.FixtureRequest) -> Contents:
    """Each package there is."""
    found: Contents = request.getfixturevalue(request.param)
    return found


def test_every_module_comes_with_its_byte_code_and_no_other_does(packed: Contents) -> None:
    modules = {name for name in packed if name.endswith(".py")}

    assert modules
    assert {name for name in packed if name.endswith(".pyc")} == set(map(cache_from_source, modules))


def test_python_uses_the_byte_code_without_a_look_at_the_module(packed: Contents) -> None:
    compiled = [content for name, content in packed.items() if name.endswith(".pyc")]

    assert {struct.unpack("<I", content[4:8])[0] for content in compiled} == {CHECKED_NEVER}


@pytest.mark.parametrize("name", ["layer", "all_in_one"])
def test_what_the_runtime_brings_is_not_packed(name: str, request: pytest.FixtureRequest) -> None:
    found: Contents = request.getfixturevalue(name)
    names = {path.split("/")[0] for path in found}

    assert {"pydantic", "pydantic_core", "aws_lambda_powertools", "aws_xray_sdk", "urllib3", "jmespath"} <= names
    assert names.isdisjoint({"boto3", "botocore", "dateutil", "s3transfer", "six.py"})


def test_nothing_but_xray_asks_for_what_is_left_to_the_runtime(layer: Contents) -> None:
    distributions = list(map(metadata, (file for name, file in layer.items() if name.endswith(".dist-info/METADATA"))))
    shipped = {canonicalize_name(one["Name"]) for one in distributions}
    missing = {
        (one["Name"], needed.name)
        for one in distributions
        for needed in map(Requirement, one.get_all("Requires-Dist", []))
        if (needed.marker is None or needed.marker.evaluate({"extra": ""}))
        and canonicalize_name(needed.name) not in shipped
    }

    assert shipped.isdisjoint(IN_THE_RUNTIME)
    assert missing == {("aws-xray-sdk", "botocore")}


def metadata(file: bytes) -> Message:
    return BytesParser().parsebytes(file, headersonly=True)


def test_the_code_is_packed_alike_with_and_without_a_layer(code: Contents, all_in_one: Contents) -> None:
    assert {name: all_in_one.get(name) for name in code} == code


def test_packages_stay_small(package: dict[str, Any], project: Path) -> None:
    folder = project.parent / "package"

    assert (folder / "deployment.zip").stat().st_size < LARGEST_CODE
    assert (folder / "layer-deployment.zip").stat().st_size < LARGEST_LAYER


def test_the_app_runs_on_its_packages_and_the_runtimes_boto3(unpacked: Unpacked) -> None:
    program = "import json, app; print(json.dumps(app.app(EVENT, None)))"

    answer = json.loads(unpacked.run(program).splitlines()[-1])

    assert answer["statusCode"] == 404
    assert json.loads(answer["body"])["status_code"] == 2000


def test_what_the_app_imports_is_its_own_but_for_boto3(unpacked: Unpacked) -> None:
    program = """
import app, boto3
from chalicelib.adapters.aws import Clients
app.app(EVENT, None), Clients().dynamodb()
for name, module in sys.modules.items():
    print(name, getattr(module, "__file__", None))
"""

    lines = [line.split() for line in unpacked.run(program).splitlines() if not line.startswith("{")]

    places = {name.split(".")[0]: file for name, file in lines}
    ours = {name for name, file in places.items() if file.startswith(str(unpacked.task))}
    brought = {name for name, file in places.items() if file.startswith(str(unpacked.runtime))}
    assert {"app", "aws_lambda_powertools", "aws_xray_sdk", "chalice", "jmespath", "pydantic", "urllib3"} <= ours
    assert brought == {"boto3", "botocore", "dateutil", "s3transfer"}


def test_files_are_packed_in_the_same_order_everywhere(tmp_path: Path) -> None:
    names = [f"{letter}.py" for letter in "zaqxswcdevfrbgtnhyjmkiolpu"]
    for name in names:
        (tmp_path / name).touch()
    clihooks.install()

    assert list(OSUtils().walk(str(tmp_path))) == [(str(tmp_path), [], sorted(names))]


def test_what_python_cannot_compile_is_packed_without_byte_code(tmp_path: Path) -> None:
    (tmp_path / "template.py").write_text("def {{ name }}():\n")
    clihooks.install()

    with OSUtils().open_zip(str(tmp_path / "package.zip"), "w") as package:
        package.write(tmp_path / "template.py", "templates/template.py")

    assert contents(tmp_path / "package.zip") == {"templates/template.py": b"def {{ name }}():\n"}


def test_byte_code_is_the_same_in_every_process() -> None:
    """Python 3.11 writes a character that the process has interned in another way than one that it has not."""
    source = "\n".join(f"x = {chr(number)!r}" for number in range(256))
    program = f"""
import hashlib, sys
kept = [sys.intern(chr(number)) for number in range(256)]
from chalicelib.clipackages import byte_code
print(hashlib.sha256(byte_code({source!r}.encode(), "x.py")).hexdigest())
"""

    elsewhere = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)

    assert hashlib.sha256(byte_code(source.encode(), "x.py")).hexdigest() == elsewhere.stdout.strip()
