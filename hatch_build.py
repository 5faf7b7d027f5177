"""A step of building a wheel: the tables that `python -m archdsl.prepare` makes go into it."""

import subprocess
import sys
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PrepareHook(BuildHookInterface):
    """An editable installation needs none of this: there `make` prepares the tables in place."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Called before the files of a wheel are collected."""
        if version != "editable":
            subprocess.run([sys.executable, "-m", "archdsl.prepare"], cwd=self.root, check=True,
                           stdout=subprocess.DEVNULL)  # fmt: skip
