"""How a candidate failed."""


class Failure(Exception):
    """A candidate that cannot be trained or scored; `status` is one of the words of the design."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
