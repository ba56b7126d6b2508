"""The kinds of values that settings have."""

from __future__ import annotations

import os
import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
NotNegativeCount = Annotated[int, Field(ge=0)]


def _absolute(path: str) -> str:
    """A path that still means the same when the study is continued from another folder."""
    return os.path.abspath(os.path.expanduser(path))


AbsolutePath = Annotated[str, AfterValidator(_absolute)]


def _compiled(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
    return pattern


Pattern = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_compiled)]


class Table(BaseModel):
    """A table of `arl.toml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
