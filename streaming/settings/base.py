"""What every section of the settings is made of: frozen, checked, with secrets that stay hidden."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr

Port = Annotated[int, Field(ge=0, le=65535)]

Seconds = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """A frozen part of the tree that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


def read_secret(value: SecretStr | None, file: Path | None) -> str | None:
    """The secret in force: the value itself, or the first line of `file`, read anew so that a rotated file counts.

    Raises OSError when the file cannot be read or holds nothing.
    """
    if value is not None:
        return value.get_secret_value()
    if file is None:
        return None
    secret = file.read_text().split("\n", 1)[0].strip()
    if not secret:
        raise OSError(errno.ENODATA, "its first line is empty, the password belongs there", str(file))
    return secret
