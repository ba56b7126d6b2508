from __future__ import annotations
from collections.abc import Mapping
def violated(source: str, modules: Mapping[str, str] | None = None, *, parent: str | None = None) -> str | None:
    return None
