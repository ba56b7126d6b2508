"""Errors that came out of task groups."""

from __future__ import annotations


def first_error(error: BaseException) -> BaseException:
    """The first error inside a group of groups; an error that is no group itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
