"""Everything this library refuses is a `GPDMError`: what is wrong, what is allowed, what to change."""

from __future__ import annotations


class GPDMError(ValueError):
    """Base class of all errors that a user can mend. The message is one line."""


class OptionError(GPDMError):
    """An option, or a combination of options, has a value that is not allowed."""

    def __init__(self, name: str, value: object, allowed: str, hint: str = "") -> None:
        super().__init__(f"{name} = {value!r} is not allowed: {allowed}" + (f" ({hint})" if hint else ""))
        self.name, self.value, self.allowed = name, value, allowed


class ImageError(GPDMError):
    """An image tensor or file cannot be used as it is: wrong shape, type, channels, size or values."""
