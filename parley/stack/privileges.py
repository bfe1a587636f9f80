"""Running PostgreSQL, which refuses to be root, as an unprivileged user when we are root."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NOBODY = 65534  # has a line in passwd everywhere; PostgreSQL refuses a user id that has none
_READ_ANYTHING = (
    "--inh-caps=+dac_read_search",
    "--ambient-caps=+dac_read_search",
    # Without it access(2) ignores the capability, and initdb finds its own programs unreadable.
    "--securebits=+no_setuid_fixup",
)


@dataclass(frozen=True)
class Account:
    """Who runs a program: options of setpriv, and who must own its files (None: ourselves)."""

    setpriv: tuple[str, ...] = ()
    owner: int | None = None

    def take_over(self, path: Path, mode: int) -> None:
        """Give a path to this account."""
        os.chmod(path, mode)
        if self.owner is not None:
            os.chown(path, self.owner, self.owner)


def account_for(paths: Sequence[Path]) -> Account:
    """Choose the account that can run programs in `paths` and reach its files there.

    Not root: ourselves. Root: nobody, with the right to pass closed folders only when one of them is closed.
    """
    if os.geteuid() != 0:
        return Account()
    options: tuple[str, ...] = ("--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups")
    if not all(traversable_by_others(path) for path in paths):
        options += _READ_ANYTHING
    return Account(setpriv=options, owner=NOBODY)


def traversable_by_others(path: Path) -> bool:
    """Tell whether everyone may pass through all folders above `path`."""
    folders = [folder for folder in path.resolve().parents if folder.exists()]
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in folders)
