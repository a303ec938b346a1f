"""Corrections of what Chalice packs, for a quick cold start: byte code for every module, and no second botocore.

Loaded by ``clihooks`` only, under the same conditions. Chalice keeps a layer in ``.chalice/deployments`` under the hash
of ``requirements.txt`` alone: empty that folder after a change to this file.
"""

from __future__ import annotations

import marshal
import os
import sys
from collections.abc import Iterator
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
from pathlib import Path
from typing import Any, Final

from chalice.deploy.packager import DependencyBuilder, Package
from chalice.utils import ChaliceZipFile, OSUtils

IN_THE_RUNTIME: Final = frozenset({"boto3", "botocore", "python-dateutil", "s3transfer", "six"})
"""Packages of the Lambda runtime, not packed. Only aws-xray-sdk needs one of them, and it works with any botocore."""

_UNCHECKED_HASH: Final = (1).to_bytes(4, "little")  # the flags of PEP 552 for a hash that is not checked


def install() -> None:
    """Put every change in place; doing it again changes nothing."""
    setattr(OSUtils, walk.__name__, walk)
    setattr(OSUtils, open_zip.__name__, open_zip)
    setattr(DependencyBuilder, _install_wheels.__name__, _install_wheels)


class PackageFile(ChaliceZipFile):
    """Packs byte code beside every module, because Python cannot write any in Lambda.

    The byte code is for the version of the running interpreter, which Chalice also chooses for the runtime.
    """

    def write(self, filename: Any, arcname: Any = None, *args: Any, **kwargs: Any) -> None:
        """Pack a file, and its byte code if it is a module."""
        super().write(filename, arcname, *args, **kwargs)
        name = str(arcname or filename)
        if name.endswith(".py"):
            self._write_byte_code(filename, name)

    def _write_byte_code(self, filename: str, name: str) -> None:
        try:
            compiled = byte_code(Path(filename).read_bytes(), name)
        except (SyntaxError, ValueError):
            return  # not importable anyway: a template, or code for another version of Python
        self.writestr(self._create_zipinfo(filename, cache_from_source(name), None), compiled)


def byte_code(source: bytes, name: str) -> bytes:
    """The content of a .pyc file that Python loads without checking; equal for equal sources in any process."""
    for character in map(chr, range(256)):
        # Python 3.11 writes strings that happen to be interned in another way.
        sys.intern(character)
    code = compile(source, name, "exec", dont_inherit=True)
    return MAGIC_NUMBER + _UNCHECKED_HASH + source_hash(source) + marshal.dumps(code)


def open_zip(self: OSUtils, filename: str, mode: str, compression: int = OSUtils.ZIP_DEFLATED) -> PackageFile:
    """A package, opened for writing or reading."""
    return PackageFile(filename, mode, compression=compression, osutils=self)


def walk(_self: OSUtils, path: str, *, followlinks: bool = False) -> Iterator[tuple[str, list[str], list[str]]]:
    """The content of a folder, in alphabetical order on every machine, and without ``__pycache__``."""
    for folder, folders, files in os.walk(path, followlinks=followlinks):
        folders[:] = sorted(set(folders) - {"__pycache__"})
        yield folder, folders, sorted(files)


_chalice_install_wheels = DependencyBuilder._install_wheels  # noqa: SLF001 - Chalice has no public hook for it


def _install_wheels(self: DependencyBuilder, src_dir: str, dst_dir: str, wheels: set[Package]) -> None:
    """Unpack the downloaded wheels, except for packages of the runtime.

    A layer comes before the runtime on the path: its boto3 would be combined with another version of botocore.
    """
    _chalice_install_wheels(self, src_dir, dst_dir, {wheel for wheel in wheels if wheel.name not in IN_THE_RUNTIME})
