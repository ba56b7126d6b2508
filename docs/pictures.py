"""Makes the pictures of the README from a study: Textual writes what its screen shows as SVG.

python docs/pictures.py STUDY SCREEN FILE.svg    (.arl dashboard docs/dashboard.svg)
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from arl_tui.app import StudyApp
from state.folder import StudyFolder

SIZE = (120, 40)


async def picture(folder: StudyFolder, mode: str) -> str:
    """What a study looks like on one screen, as SVG."""
    app = StudyApp(folder)
    async with app.run_test(size=SIZE) as pilot:
        while app.current_mode == "opening" or app.snapshot is None:
            await pilot.pause(0.1)
        await app.switch_mode(mode)
        await pilot.pause(1.0)
        return app.export_screenshot(title=f"arl-tui: {mode}")


def main() -> None:
    study, mode, file = sys.argv[1:]
    svg = asyncio.run(picture(StudyFolder(Path(study).absolute()), mode))
    Path(file).write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
