"""The base of every section of the settings: frozen, checked, with secrets that stay hidden."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

Port = Annotated[int, Field(ge=0, le=65535)]

LONGEST: Final = 10 * 366 * 86_400
"""Seconds of the longest duration: ten years. Waits of centuries overflow the clocks of the system."""

Seconds = Annotated[float, Field(gt=0, le=LONGEST)]
Wait = Annotated[float, Field(gt=0, le=86_400)]
"""Seconds that a call or a thread may wait: at most a day, far below what counters of milliseconds hold."""
SecondsOrNone = Annotated[float, Field(ge=0, le=LONGEST)]
"""A duration that 0 switches off."""


class Section(BaseModel):
    """A frozen part of the tree that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


class PasswordSection(Section):
    """A section with a password, given directly or by the name of a file."""

    password: SecretStr | None = Field(
        default=None, description="Password. Never printed; better kept in `password_file`."
    )
    password_file: Path | None = Field(
        default=None, description="File whose first line is the password; read when a client is made."
    )

    @model_validator(mode="after")
    def _one_password(self) -> PasswordSection:
        if self.password is not None and self.password_file is not None:
            raise ValueError("password and password_file are both set: keep one of them")
        return self

    def secret(self) -> str | None:
        """The password in force, or None. The file is read at each call, so that a rotated one counts.

        Raises:
            OSError: The file cannot be read, or its first line is empty.
        """
        if self.password is not None:
            return self.password.get_secret_value()
        return None if self.password_file is None else first_line(self.password_file)


def first_line(file: Path) -> str:
    """The password in a file. Raises OSError when it cannot be read, or its first line is empty."""
    secret = file.read_text(encoding="utf-8-sig").split("\n", 1)[0].strip()
    if not secret:
        raise OSError(errno.ENODATA, "its first line is empty, the password belongs there", str(file))
    return secret
