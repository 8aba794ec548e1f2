"""What a user is told instead of a traceback."""

from __future__ import annotations


class BadInput(ValueError):
    """Something the user wrote or named cannot be used. One line each: place, what, remedy. Exit code 2."""


class ConfigError(BadInput):
    """A config file or an override is wrong."""


class DataError(BadInput):
    """A data source is missing, or one of its rows cannot be used."""


class RunFailed(RuntimeError):
    """A run that had started had to stop. Says why, what to do, and where its log is. Exit code 1."""
