"""What the real host would refuse."""


class HostError(RuntimeError):
    """The app cannot be hosted; the message says what to change."""
