"""Errors for input that the library refuses. Messages say what is wrong, what is allowed and what to change."""

from __future__ import annotations


class GPDMError(ValueError):
    """Base class of the errors that a user can correct. The message is one line."""


class OptionError(GPDMError):
    """An option, or a combination of options, has a value that is not allowed.

    Arguments:
        name: Name of the option.
        value: Its value.
        allowed: The allowed values, or the reason for the refusal.
        hint: A change that helps.
    """

    def __init__(self, name: str, value: object, allowed: str, hint: str = "") -> None:
        super().__init__(f"{name} = {value!r} is not allowed: {allowed}" + (f" ({hint})" if hint else ""))


class ImageError(GPDMError):
    """An image tensor or file cannot be used as it is: wrong shape, type, channels, size or values."""
