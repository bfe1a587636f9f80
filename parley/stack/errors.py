"""What can keep the platform from starting, told so that the reader can mend it.

StackError
├── ChildFailed       a child process ended, or did not answer, before it was ready
├── StepFailed        a one-time step (migrations, demo data) ended with an error
├── ProgramMissing    a program or a module that is not installed
└── DirectoryUnusable the data directory: no rights, no space, in use, or from another version
"""

from __future__ import annotations

from collections.abc import Sequence


class StackError(Exception):
    """Something could not start. `str()` is one line: what, why, the mend."""

    def __init__(self, what: str, why: str, mend: str, log_lines: Sequence[str] = ()) -> None:
        super().__init__(f"{what}: {why}. {mend}")
        self.what = what
        self.why = why
        self.mend = mend
        self.log_lines = tuple(log_lines)


class ChildFailed(StackError):
    """A child process ended, or did not answer in time, before it was ready."""


class StepFailed(StackError):
    """A one-time step ended with an error."""


class ProgramMissing(StackError):
    """A program or module that is needed here is not installed."""


class DirectoryUnusable(StackError):
    """The data directory cannot be used."""
