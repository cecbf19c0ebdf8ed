"""Errors for input that the library refuses. Messages say what is wrong, what is allowed and what to change."""

from __future__ import annotations

LONGEST_VALUE = 80
"""Longest text of a value in a message, in characters."""


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
        super().__init__(f"{name} = {_shown(value)} is not allowed: {allowed}" + (f" ({hint})" if hint else ""))

    @classmethod
    def saying(cls, message: str) -> OptionError:
        """Returns an error with a message of its own, for what is not the value of one option."""
        return cls.__new__(cls, message)


class ImageError(GPDMError):
    """An image tensor or file cannot be used: wrong shape, type, channels, size or values."""


def described(value: object) -> str:
    """Returns the type of a value in words, and its shape if it has one."""
    shape = getattr(value, "shape", None)
    return type(value).__name__ + (f" of shape {tuple(shape)}" if shape else "")


def _shown(value: object) -> str:
    """Returns a value as text on one line; only its type and shape if the text is longer than `LONGEST_VALUE`."""
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE and "\n" not in text else f"({described(value)})"
