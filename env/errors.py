"""The errors that a person can do something about."""


class DataError(Exception):
    """The data or a prepared environment cannot be used; the message says why and what to do."""


class DiskFullError(DataError):
    """There was no room to write; nothing half-made is taken for done."""
